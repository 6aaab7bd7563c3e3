"""Fused search: a dense member's score and BM25's, weighed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nvf.errors import TaskError
from nvf.params import nested, param
from nvf.systems import linear, raw, register
from nvf.systems.base import System
from nvf.systems.documents import needs_vectors
from nvf.systems.fusion import standardised
from nvf.systems.pairs import PairBatch, needs_pairs
from nvf.systems.ranking import rank_in_blocks
from nvf.systems.words import K1, TOKENISERS, B, Words, lacks_words, of_best
from nvf.tasks.base import Corpus, Split, Task
from nvf.types import Queries, Ranking


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """The dense member, how much the words weigh beside it, and how both scores are made comparable."""

    dense: str = param("raw", choices=("raw", "linear"), doc="the frozen vectors, or a linear head trained on them")
    weight: float = param(0.5, low=0.0, high=100.0, doc="of BM25; the dense score has 1")
    normalisation: str = param(
        "max",
        choices=("max", "min_max", "z"),
        doc="of both scores, for each query over the corpus",
    )
    k1: float = param(K1, low=0.0, high=10.0, doc="how soon a repeated word stops counting")
    b: float = param(B, low=0.0, high=1.0, doc="how much a long document is held back")
    tokeniser: str = param(
        "words", choices=TOKENISERS, doc="words, or the parts of snake_case and CamelCase as words besides"
    )
    linear: linear.Params = nested(linear.Params)


@register(
    "fused",
    summary="normalised cosine, raw or after a linear head, plus weight times normalised BM25",
    source="Bruch, Gai and Ingber, An analysis of fusion functions for hybrid retrieval, TOIS 2023",
    transfers=True,
)
class Fused(System[Params]):
    """The dense score and BM25's, both over all N documents of the corpus, normalised for each query and added.

        score(q, d) = f(cos(q, d)) + weight * g(BM25(q, d)).

    With s_d the scores of one query, over all d of the corpus:

    - max: f(s) = s, since no cosine exceeds 1; g(s) = s / max_d s_d
    - min_max: f(s) = g(s) = (s - min_d s_d) / (max_d s_d - min_d s_d)
    - z: f(s) = g(s) = (s - mean_d s_d) / the standard deviation of the s_d (of N, not of N - 1).

    What would be divided by 0 is 0: a query without a word of the corpus is answered by its vector alone. The dense
    member is trained for itself, and an epoch costs what it costs there; with `dense: raw` there is nothing to train,
    and the trial has epoch 0 only.
    """

    def __init__(self, params: Params, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        self._dense: raw.Raw | linear.Linear = (
            raw.Raw(raw.Params(), corpus, device)
            if params.dense == "raw"
            else linear.Linear(params.linear, corpus, device)
        )
        self._words = Words(corpus, params.k1, params.b, params.tokeniser)
        self._order = torch.tensor(corpus.order, device=self.device)

    @classmethod
    def applies_to(cls, task: Task) -> str | None:
        """Return which of both scores cannot be had, where one cannot."""
        return needs_vectors(task) or lacks_words(task)

    def prepare(self, task: Task, seed: int) -> None:
        """Prepare the dense member; raises `TaskError` where a head has nothing to be trained on."""
        if self._dense.trained and (reason := needs_pairs(task)) is not None:
            raise TaskError(f"dense = {self.params.dense} cannot be trained: {reason}; use dense = raw")
        self._dense.prepare(task, seed)

    def module(self) -> nn.Module | None:
        """Return the head, where there is one."""
        return self._dense.module()

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take the head, where there is one."""
        self._dense.load_state(state)

    def epochs(self, limit: int) -> int:
        """Return the budget, or 0 where nothing is trained."""
        return self._dense.epochs(limit)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the dense member's."""
        return self._dense.parameter_groups()

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """Yield the dense member's."""
        return self._dense.batches(epoch)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Return the dense member's."""
        return self._dense.losses(batch)

    def after_step(self) -> None:
        """Let the dense member do what follows a step."""
        self._dense.after_step()

    def held_out_losses(self, split: Split) -> dict[str, float]:
        """Return the dense member's."""
        return self._dense.held_out_losses(split)

    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents of the highest sum; raises `TaskError` where queries or corpus have no text."""
        return rank_in_blocks(queries, k, self._order, self._scores)

    def _scores(self, queries: Queries) -> Tensor:
        """Return (B, N) sums."""
        dense, lexical = self._dense.cosines(queries), self._words.scores(queries).to(self.device)
        match self.params.normalisation:
            case "max":
                return dense + of_best(lexical, self.params.weight)
            case "min_max":
                return of_best(_from_zero(dense)) + of_best(_from_zero(lexical), self.params.weight)
            case _:
                every = torch.ones_like(dense, dtype=torch.bool)
                weight: float = self.params.weight
                return standardised(dense, every) + weight * standardised(lexical, every)


def _from_zero(scores: Tensor) -> Tensor:
    return scores - scores.amin(dim=1, keepdim=True)
