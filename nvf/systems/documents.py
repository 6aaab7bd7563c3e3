"""The corpus as tensors, and cosine search in it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from nvf.indexes.exact import search, twins
from nvf.tasks.base import Corpus, Task
from nvf.types import Ranking, as_tensor

BLOCK = 8192
"""How many documents are transformed at once where a transform has to touch all of them."""


class Documents:
    """The documents of a corpus on a device; on the CPU their memory is the corpus's own, mapped or not.

    Attributes
    ----------
    vectors
        (N, D) float32.
    order
        (N,) the place of each id among all in ascending order.
    scale
        (N,) inverse lengths, or None where every document has length 1.
    same
        The documents whose vector stands in the corpus before, and where: see `nvf.indexes.exact.twins`.
    """

    def __init__(self, corpus: Corpus, device: torch.device) -> None:
        self.vectors = as_tensor(corpus.vectors, device)
        self.order = torch.tensor(corpus.order, device=device)
        self.same = twins(self.vectors)
        self.scale = None if corpus.unit else torch.cat([inverse_norms(block) for block in in_blocks(self.vectors)])

    def __len__(self) -> int:
        return len(self.vectors)

    def cosines(self, queries: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return (B, N) dot products of queries (B, D) with all documents, or those at `rows`, scaled to length 1."""
        if rows is not None:
            return queries @ self.unit(rows).T
        scores = queries @ self.vectors.T
        return scores if self.scale is None else scores * self.scale

    def scores(self, queries: Tensor, scale: Tensor | None = None) -> Tensor:
        """Return (B, N) `cosines`, or with another scale (N,); documents of equal vectors get one score."""
        if scale is None:
            scores = self.cosines(queries)
        else:
            scores = queries @ self.vectors.T * scale
        again, first = self.same
        scores[:, again] = scores[:, first]
        return scores

    def unit(self, rows: Tensor | None = None) -> Tensor:
        """Return the documents at `rows` (...), or all of them, scaled to length 1: (..., D)."""
        if rows is None:
            return self.vectors if self.scale is None else self.vectors * self.scale.unsqueeze(-1)
        vectors = self.vectors[rows]
        return vectors if self.scale is None else vectors * self.scale[rows].unsqueeze(-1)

    def search(self, queries: Tensor, k: int, scale: Tensor | None = None) -> Ranking:
        """Return the best `k` documents for each of the queries (Q, D) by `cosines`, or with another scale (N,)."""
        return search(queries, self.vectors, k, self.order, self.scale if scale is None else scale, self.same)


def in_blocks(vectors: Tensor) -> tuple[Tensor, ...]:
    """Return views of `BLOCK` rows each, for what would not fit at once."""
    return vectors.split(BLOCK)  # type: ignore[no-any-return, no-untyped-call]


def stacked(blocks: Iterable[Tensor], rows: int) -> Tensor:
    """Return blocks (b, D), one at a time, as (rows, D); `torch.cat` would hold all of them twice.

    >>> stacked(iter([torch.zeros(2, 3), torch.ones(1, 3)]), 3).sum(1)
    tensor([0., 0., 3.])
    """
    whole, start = torch.empty(0), 0
    for block in blocks:
        whole = whole if start else block.new_empty(rows, block.shape[1])
        whole[start : start + len(block)] = block
        start += len(block)
    return whole


def inverse_norms(vectors: Tensor) -> Tensor:
    """Return (N,) 1 / length of each vector (N, D); 0 has no direction, and its 1 / length is taken as 0."""
    norms = vectors.norm(dim=1)
    return torch.where(norms > 0, 1 / norms, 0)


def needs_vectors(task: Task) -> str | None:
    """Return None where each query is one vector as wide as a document's, else what it is instead."""
    shape = task.split("dev").queries.vectors.shape
    if len(shape) != 2:
        return f"each query of {task.name} is a window of {shape[1]} vectors, not one vector"
    if shape[1] != task.corpus.dim:
        return f"the queries of {task.name} are {shape[1]} wide, its documents {task.corpus.dim}"
    return None
