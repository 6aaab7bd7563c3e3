"""Floors and ceilings: what every trial is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nvf.errors import TaskError
from nvf.measures.evaluate import depth, evaluate
from nvf.measures.measure import Measure
from nvf.systems import baseline, baselines
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Task
from nvf.types import Figures


@dataclass(frozen=True, slots=True)
class Floors:
    """What one gets for nothing, and the best there can be.

    Attributes
    ----------
    floors, ceilings
        System -> figures.
    queries
        View -> how many queries its figures average over.
    """

    floors: dict[str, Figures]
    ceilings: dict[str, Figures]
    queries: dict[str, int]


def measure_floors(task: Task, split: str, measures: Sequence[Measure | str]) -> Floors:
    """Return the figures on `split` of every floor and ceiling that applies to `task`, with default parameters."""
    texts = [str(measure) for measure in measures]
    judged = task.split(split)
    if len(judged) == 0:
        there = " and ".join(name for name, each in task.splits.items() if len(each))
        raise TaskError(f"task {task.name} has no {split} queries, only {there}: --split {there.split(' ')[-1]}")
    found = Floors({}, {}, {})
    for name, role in baselines(task).items():
        ranking = rank_split(baseline(name, task), judged, depth(texts, None if task.cold is None else judged))
        evaluation = evaluate(ranking, judged, task.cold, texts)
        (found.ceilings if role == "ceiling" else found.floors)[name] = evaluation.figures
        found.queries.update(evaluation.queries)
    return found
