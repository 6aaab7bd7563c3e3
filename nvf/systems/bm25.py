"""BM25: what one gets from the words alone."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nvf.errors import TaskError
from nvf.indexes.exact import top_k
from nvf.params import param
from nvf.systems.base import System
from nvf.tasks.base import Task
from nvf.types import Queries, Ranking

BLOCK = 256
"""How many queries are scored at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """The two constants of the formula; the defaults are bm25s's own."""

    k1: float = param(1.5, low=0.0, high=10.0, doc="how soon a repeated word stops counting")
    b: float = param(0.75, low=0.0, high=1.0, doc="how much a long document is held back")


class BM25(System):
    """BM25 over Snowball stems without English stop words, Lucene's variant; no hit without a common word."""

    name = "bm25"
    summary = "BM25 over the text: English stop words, Snowball stems, Lucene's variant"
    source = "Robertson et al., Okapi at TREC-3, 1994; Lu, BM25S, 2024"
    Params = Params
    trained = False
    floor = True

    @classmethod
    def applies_to(cls, task: Task) -> str | None:
        """Return what lacks text, where something does."""
        if task.corpus.texts is None or task.split("dev").queries.texts is None:
            return f"{task.name} has no text"
        return None

    def prepare(self, task: Task, seed: int) -> None:
        """There is nothing to learn; the words are counted at the first search."""

    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents of the highest BM25 score; raises `TaskError` where queries or corpus have no text."""
        if queries.texts is None or self.corpus.texts is None:
            lacking = "queries" if queries.texts is None else "documents"
            raise TaskError(f"bm25 needs the text of the {lacking}, and these are vectors only; leave bm25 out")
        order = torch.tensor(self.corpus.order)
        found = []
        words = _words(queries.texts)
        for start in range(0, max(1, len(words)), BLOCK):
            scores = self._scores(words[start : start + BLOCK])
            found.append(top_k(scores.masked_fill(scores <= 0, -torch.inf), k, order))
        ranking = Ranking(torch.cat([scores for scores, _ in found]), torch.cat([rows for _, rows in found]))
        return Ranking(ranking.scores.to(self.device), ranking.rows.to(self.device))

    def _scores(self, words: list[list[str]]) -> torch.Tensor:
        scores = np.zeros((len(words), len(self.corpus)), dtype=np.float32)
        for row, query in zip(scores, words, strict=True):
            if known := [word for word in query if word in self._index.vocab_dict]:
                row[:] = self._index.get_scores(known)
        return torch.from_numpy(scores)

    @functools.cached_property
    def _index(self) -> Any:
        import bm25s

        assert self.corpus.texts is not None, "checked by rank"
        index = bm25s.BM25(method="lucene", k1=self.params.k1, b=self.params.b)
        index.index(_words(self.corpus.texts), show_progress=False)
        return index


def _words(texts: Sequence[str]) -> list[list[str]]:
    """Return the stems of each text."""
    import bm25s
    import Stemmer

    words: list[list[str]] = bm25s.tokenize(
        list(texts), stopwords="en", stemmer=Stemmer.Stemmer("english"), return_ids=False, show_progress=False
    )
    return words
