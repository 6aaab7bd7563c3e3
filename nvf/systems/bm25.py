"""BM25: what one gets from the words alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nvf.params import param
from nvf.systems import register
from nvf.systems.base import System
from nvf.systems.ranking import rank_in_blocks
from nvf.systems.words import K1, B, Words, lacks_words
from nvf.tasks.base import Corpus
from nvf.types import Queries, Ranking


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """The two constants of the formula; the defaults are bm25s's own."""

    k1: float = param(K1, low=0.0, high=10.0, doc="how soon a repeated word stops counting")
    b: float = param(B, low=0.0, high=1.0, doc="how much a long document is held back")


@register(
    "bm25",
    summary="BM25 over the text: English stop words, Snowball stems, Lucene's variant",
    source="Robertson et al., Okapi at TREC-3, 1994; Lu, BM25S, 2024",
    transfers=True,
    role="floor",
)
class BM25(System[Params]):
    """BM25 as `nvf.systems.words` has it; no hit without a common word."""

    applies_to = staticmethod(lacks_words)

    def __init__(self, params: Params, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        self._words = Words(corpus, params.k1, params.b)

    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents of the highest BM25 score; raises `TaskError` where queries or corpus have no text."""
        ranking = rank_in_blocks(queries, k, torch.tensor(self.corpus.order), self._scores)
        return Ranking(ranking.scores.to(self.device), ranking.rows.to(self.device))

    def _scores(self, queries: Queries) -> Tensor:
        scores = self._words.scores(queries)
        return scores.masked_fill_(scores <= 0, -torch.inf)
