"""Exact nearest neighbours by dot product, with ties broken as trec_eval breaks them."""

from __future__ import annotations

import torch
from torch import Tensor

from nvf.types import Ranking

BLOCK = 16_000_000
"""How many scores are held at once (64 MB)."""


def top_k(scores: Tensor, k: int, order: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best `k` scores of each row, equal ones in descending `order`, at the boundary too.

    Parameters
    ----------
    scores
        (B, N) float32. -inf takes a document out, and NaN counts as -inf: what is not a number answers nothing.
    k
        How many, at least 1; K = min(k, N) come back.
    order
        (N,) integers from 0: the place of each document's id among all ids in ascending order.

    Returns
    -------
    tuple[Tensor, Tensor]
        Scores (B, K) descending, and rows (B, K) int64: -1 where the score is -inf.

    Examples
    --------
    >>> scores, rows = top_k(torch.tensor([[0.5, 0.9, 0.5, 0.5]]), 2, torch.tensor([3, 0, 1, 2]))
    >>> rows.tolist()
    [[1, 0]]
    """
    k = min(k, scores.shape[1])
    best, rows = scores.topk(min(k + 1, scores.shape[1]))
    if bool(best.isnan().any()):
        return top_k(scores.masked_fill(scores.isnan(), -torch.inf), k, order)
    last = best[:, k - 1]
    tied = (last == best[:, -1]) & (last > -torch.inf)
    best, rows = best[:, :k], rows[:, :k]
    if best.shape[1] < scores.shape[1] and bool(tied.any()):
        rows[tied] = _keys(scores[tied], order).topk(k).indices
        best = scores.gather(1, rows)
    place = _keys(best, order[rows]).argsort(dim=1, descending=True)
    best, rows = best.gather(1, place), rows.gather(1, place)
    return best, rows.masked_fill(best == -torch.inf, -1)


def _keys(scores: Tensor, order: Tensor) -> Tensor:
    """Return int64 keys that sort as (score, order): the bits of a float32, made monotone, over those of the order."""
    bits = (scores + 0.0).view(torch.int32)  # adding 0 turns -0 into 0, its equal
    monotone = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return (monotone.long() << 32) + order.long()


def twins(documents: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows (T,) whose vector stood before in `documents` (N, D) float32, and where (T,) it first stood.

    >>> twins(torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]))
    (tensor([2]), tensor([0]))
    """
    sums = documents.view(torch.int32).sum(1, dtype=torch.int32)  # of the bits: exact, and quicker than a product
    _, group, count = sums.unique(return_inverse=True, return_counts=True)  # type: ignore[no-untyped-call]
    rows = (count[group] > 1).nonzero().squeeze(1)
    if len(rows) == 0:
        return rows, rows
    distinct, group = documents[rows].unique(dim=0, return_inverse=True)  # type: ignore[no-untyped-call]
    first = rows.new_full((len(distinct),), len(documents)).scatter_reduce_(0, group, rows, "amin")[group]
    return rows[first < rows], first[first < rows]


@torch.no_grad()
def search(
    queries: Tensor,
    documents: Tensor,
    k: int,
    order: Tensor,
    scale: Tensor | None = None,
    same: tuple[Tensor, Tensor] | None = None,
) -> Ranking:
    """Return the best `k` documents for each query by dot product.

    The documents are never copied, and the scores are held a block at a time. A matrix product may give other last
    bits for another number of queries or threads, and, at the edges of its blocks, for two columns of equal vectors;
    so documents of equal vectors are given one score, and ties between them are always exact.

    Parameters
    ----------
    queries
        (Q, D) float32.
    documents
        (N, D) float32.
    k
        How many documents for each query; min(k, N) come back.
    order
        (N,) integers: see `top_k`.
    scale
        (N,) float32 by which each document's score is multiplied, such as inverse norms; None for 1.
    same
        What `twins(documents)` returns, where it is known already; it costs about as much as one query.
    """
    again, first = twins(documents) if same is None else same
    block = max(1, BLOCK // max(1, len(documents)))
    found = []
    for start in range(0, max(1, len(queries)), block):
        scores = queries[start : start + block] @ documents.T
        if scale is not None:
            scores *= scale
        scores[:, again] = scores[:, first]
        found.append(top_k(scores, k, order))
    return Ranking(torch.cat([scores for scores, _ in found]), torch.cat([rows for _, rows in found]))
