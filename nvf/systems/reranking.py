"""What every system has in common that reranks: candidates, their new order, and which stage an error is due to."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor
from typing_extensions import TypeVar

from nvf.diagnostics.stages import Stages, attribute, harmful_reranker
from nvf.measures.evaluate import cut, drop_own
from nvf.systems.base import Inspection, System
from nvf.systems.documents import Documents
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Corpus, Split
from nvf.types import Queries, Ranking

Rerank = Callable[[Tensor, Tensor, Tensor], Tensor]
"""See `RerankSystem.rerank`."""


class Deep(Protocol):
    """Parameters with the depth K."""

    @property
    def depth(self) -> int:
        """How many candidates are reranked."""


P = TypeVar("P", bound=Deep, default=Any)


class RerankSystem(System[P]):
    """Two stages: the first finds K candidates, the second orders them.

    A subclass says what finds (`first`), what is asked of the candidates (`asked`) and how they score (`rerank`).
    """

    first: System

    diagnoses = ("harmful_reranker",)
    block: ClassVar[int] = 256
    """How many queries are reranked at once: their candidates' vectors are gathered."""

    def __init__(self, params: P, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        self.documents = Documents(corpus, self.device)
        self._depth = min(params.depth, len(corpus))
        self._answered: tuple[Queries, Ranking] | None = None

    def stage_one(self, queries: Queries, k: int) -> Ranking:
        """Return what the first stage alone answers."""
        return self.first.rank(queries, k)

    @abstractmethod
    def asked(self, queries: Queries) -> Tensor:
        """Return (Q, D) what `rerank` compares with the candidates."""

    @abstractmethod
    def rerank(self, asked: Tensor, scores: Tensor, rows: Tensor) -> Tensor:
        """Return (B, K) the new scores of candidates.

        Parameters
        ----------
        asked
            (B, D) of `asked`.
        scores, rows
            (B, K) the first stage's, in any order; -inf and -1 where there is no candidate.
        """

    @property
    def reranks(self) -> bool:
        """Whether the second stage has a say; else the first stage's order stands."""
        return True

    @torch.no_grad()
    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the first stage's list with its first K reranked.

        The new scores are shifted to end 1 above the first stage's score of its last candidate, so that the list as a
        whole stays sorted; what they tie in then, in float32, goes by id.
        """
        found = self.stage_one(queries, max(k, self._depth + 1))
        self._answered = queries, Ranking(*(part[:, : self._depth + 1].clone() for part in (found.scores, found.rows)))
        if not self.reranks:
            return cut(found, k)
        scores, known = self.rescored(self.asked(queries), cut(found, self._depth), self.rerank)
        absent = known.rows < 0
        last, lowest = (each.masked_fill(absent, torch.inf).amin(1, keepdim=True) for each in (known.scores, scores))
        shifted = (scores - lowest + last + 1).masked_fill(absent, -torch.inf)
        place = shifted.argsort(dim=1, descending=True, stable=True)
        scores = torch.cat([shifted.gather(1, place), found.scores[:, self._depth :]], dim=1)
        rows = torch.cat([known.rows.gather(1, place), found.rows[:, self._depth :]], dim=1)
        return cut(Ranking(scores, rows), k)

    def rescored(self, asked: Tensor, found: Ranking, rerank: Rerank) -> tuple[Tensor, Ranking]:
        """Return (Q, K) new scores, and the candidates that they are of.

        These are in descending order of id, in which a stable sort leaves those that tie.
        """
        by_id = self.documents.order[found.rows.clamp(min=0)].argsort(dim=1, descending=True)
        scores, rows = found.scores.gather(1, by_id), found.rows.gather(1, by_id)
        blocks = (slice(start, start + self.block) for start in range(0, max(1, len(rows)), self.block))
        new = torch.cat([rerank(asked[block], scores[block], rows[block]) for block in blocks])
        return new, Ranking(scores, rows)

    def inspect(self, split: Split, ranking: Ranking) -> Inspection:
        """Return which stage the outcomes on `split` are due to; `harmful_reranker` where the first does better."""
        stages = self.stages(split, ranking)
        return Inspection(stages.statistics(), harmful_reranker(stages))

    def stages(self, split: Split, ranking: Ranking | None = None) -> Stages:
        """Return which stage is to blame for the errors on `split`, of which `ranking` is the system's own."""
        return attribute(*self.answers(split, ranking), split.qrels, self._depth)

    def answers(self, split: Split, ranking: Ranking | None = None) -> tuple[Ranking, Ranking]:
        """Return the K candidates as the first stage has them, and as the second orders them.

        A split is not ranked twice: the first stage's answer is that of `ranking`, where that was the last one made.
        """
        ranking = rank_split(self, split, self._depth) if ranking is None else cut(ranking, self._depth)
        answered = self._answered
        if answered is None or answered[0] is not split.queries:
            answered = split.queries, self.stage_one(split.queries, self._depth + 1)
        return drop_own(answered[1], split, self._depth), ranking

    def unit(self, rows: Tensor) -> Tensor:
        """Return (B, K, D) candidates of length 1; any document where there is none."""
        return self.documents.unit(rows.clamp(min=0))
