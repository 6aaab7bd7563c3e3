"""Whose fault an error is: the first stage's or the reranker's."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from nvf.measures.fast import per_query
from nvf.tasks.base import Qrels
from nvf.types import Diagnosis, Ranking

HARMFUL = 0.002
"""How far under stage one's Success@1 the pipeline's may lie before the reranker counts as harmful. Our own choice: 4
queries of 2,000, less than one standard error of a Success@1 of 0.99 on as many."""


@dataclass(frozen=True, slots=True)
class Stages:
    """Shares of all queries; `missed + lost + unmoved + kept + won` is 1.

    Attributes
    ----------
    missed
        No relevant document is among the K candidates: stage one's fault.
    lost
        Stage one had a relevant document first, and the reranker put another one there.
    unmoved
        A relevant document is among the candidates, but neither stage has one first.
    kept
        Both have one first.
    won
        Only the reranker has one first.
    """

    missed: float
    lost: float
    unmoved: float
    kept: float
    won: float

    @property
    def stage_one(self) -> float:
        """Success@1 of stage one."""
        return self.kept + self.lost

    def statistics(self) -> dict[str, float]:
        """Return the shares, and Success@1 of stage one and of the pipeline, by the names they are logged under."""
        return {**asdict(self), "stage_one": self.stage_one, "pipeline": self.pipeline}

    @property
    def pipeline(self) -> float:
        """Success@1 of the pipeline."""
        return self.kept + self.won


def attribute(stage_one: Ranking, pipeline: Ranking, qrels: Qrels, depth: int) -> Stages:
    """Return which stage each query's outcome is due to.

    Parameters
    ----------
    stage_one, pipeline
        Rankings of the same Q queries before and after the first `depth` were reranked.
    qrels
        Their judgements.
    depth
        K, how many candidates the reranker saw.
    """
    measures = ("Success@1", f"Success@{depth}")
    first, among = (per_query(stage_one, qrels, measures)[name] > 0 for name in measures)
    final = per_query(pipeline, qrels, measures[:1])["Success@1"] > 0
    shares = (~among & ~final, first & ~final, among & ~first & ~final, first & final, ~first & final)
    return Stages(*(float(np.mean(share)) for share in shares))


def harmful_reranker(stages: Stages) -> list[Diagnosis]:
    """Return the diagnosis where the pipeline's Success@1 is under stage one's by more than `HARMFUL`."""
    change = stages.pipeline - stages.stage_one
    if change >= -HARMFUL:
        return []
    text = (
        f"the reranker puts the right document first for {stages.won:.1%} of the queries and loses it for "
        f"{stages.lost:.1%}: Success@1 is {stages.pipeline:.4f} against {stages.stage_one:.4f} for stage one alone "
        f"({stages.missed:.1%} missed by stage one)"
    )
    return [Diagnosis("harmful_reranker", change, -HARMFUL, text)]
