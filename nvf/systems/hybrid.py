"""Hybrid search: what one gets from vectors and words together without training anything."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nvf.params import nested, param
from nvf.systems import bm25, raw, register
from nvf.systems.base import System
from nvf.systems.documents import needs_vectors
from nvf.systems.ranking import rank_in_blocks
from nvf.systems.words import lacks_words
from nvf.tasks.base import Corpus, Task
from nvf.types import Queries, Ranking


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """The constant of the fusion, as published, and how much of both lists it sees."""

    k: float = param(60.0, low=0.0, high=1000.0, doc="how little the first places count more than the next ones")
    depth: int = param(1000, low=1, high=100_000, log=True, doc="how many documents each list has")
    bm25: bm25.Params = nested(bm25.Params)


@register(
    "hybrid",
    summary="reciprocal rank fusion of the frozen vectors' cosine and BM25, nothing trained",
    source="Cormack, Clarke and Buettcher, Reciprocal rank fusion, SIGIR 2009",
    transfers=True,
    role="floor",
)
class Hybrid(System[Params]):
    """Reciprocal rank fusion of `raw` and `bm25`: score(d) = sum over the lists that have d of 1 / (k + its place)."""

    def __init__(self, params: Params, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        self._lists: tuple[System, ...] = (
            raw.Raw(raw.Params(), corpus, device),
            bm25.BM25(params.bm25, corpus, device),
        )
        self._order = torch.tensor(corpus.order, device=self.device)

    @classmethod
    def applies_to(cls, task: Task) -> str | None:
        """Return which of both lists cannot be had, where one cannot."""
        return needs_vectors(task) or lacks_words(task)

    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents of the highest fused score; raises `TaskError` where queries or corpus have no text."""
        return rank_in_blocks(queries, k, self._order, self._fused)

    def _fused(self, queries: Queries) -> Tensor:
        """Return (Q, N) the fused scores, -inf for what is in neither list."""
        fused = torch.zeros(len(queries), len(self.corpus), device=self.device)
        for system in self._lists:
            rows = system.rank(queries, self.params.depth).rows
            worth = 1 / (self.params.k + 1 + torch.arange(rows.shape[1], device=self.device))
            fused.scatter_add_(1, rows.clamp(min=0), torch.where(rows >= 0, worth, 0.0))
        return fused.masked_fill_(fused == 0, -torch.inf)
