"""The one look at test: finalists against floors, query by query.

A finalist's figure is the mean over its seeds. All and clean figures come from the trainings on all judgements; cold
ones from those with a share withheld, each with its own draw of cold documents, over the queries that have one to find.
Floors are untrained: the draw changes only which documents count, and so they stand beside every draw.

Every figure of every query is computed twice, by nvf and by trec_eval itself, which must agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from nvf.measures.evaluate import Evaluation, depth, evaluate
from nvf.measures.judge import agreed
from nvf.systems import baseline, baselines
from nvf.systems.base import INSPECTED, System
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Task
from nvf.training import checkpoint
from nvf.types import Figures, FloatArray, Ranking

SPLIT = "test"
TableOf = dict[str, dict[str, FloatArray]]
"""View -> measure -> (S, Q) figure of each query of the split in each training; NaN where a query is not in the view.
What was not trained has one row, but for cold, where there is one for each draw."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The checkpoint of one replicate that may be judged, and the draw that was withheld from it, or None."""

    folder: Path
    digest: str
    cold_seed: int | None


@dataclass(frozen=True, slots=True)
class Judged:
    """How one system does on test.

    Attributes
    ----------
    figures
        all and clean with all judgements, cold with a share withheld: means over seeds or draws.
    table
        The same for each training and query, for paired comparisons.
    trainings
        The figures of each training on all judgements: all and clean.
    withheld
        One entry for each draw: the figures of that training.
    statistics
        What else the system says of itself on test (`System.inspect`), means over the trainings on all judgements;
        empty for floors.
    """

    figures: Figures
    table: TableOf
    withheld: list[Figures]
    trainings: list[Figures] = field(default_factory=list)
    statistics: dict[str, float] = field(default_factory=dict)


class Judge:
    """Ranks test of a task, with nothing withheld, for floors and finalists alike.

    `cold` is the share that is withheld from the replicates of the cold figure.
    """

    def __init__(self, task: Task, measures: Sequence[str], cold: float) -> None:
        self._task, self._measures, self._cold = task, list(measures), cold
        self._split = task.split(SPLIT)
        self._agreed = agreed(task.corpus.ids, self._split.queries.ids)
        self.queries: dict[str, int] = {}
        """View -> how many queries its figures average over; for cold, in any draw."""

    def untrained(self, draws: Iterable[int | None]) -> dict[str, Judged]:
        """Return every floor and ceiling that applies; `draws` are the seeds of what was withheld."""
        found, drawn = {}, [seed for seed in draws if seed is not None]
        for name in baselines(self._task):
            ranking = self._rank(baseline(name, self._task))
            found[name] = self._judged([ranking], [(ranking, seed) for seed in drawn])
        return found

    def system(self, system: System) -> Judged:
        """Return how one system does that is trained already, for nothing is known of what was withheld from it."""
        return self._judged([self._rank(system)], [])

    def finalist(self, full: Sequence[Trained], withheld: Sequence[Trained]) -> Judged:
        """Return how the replicates of one finalist do."""
        drawn = [(self._rank(self._restored(each)), each.cold_seed) for each in withheld if each.cold_seed is not None]
        systems = [self._restored(each) for each in full]
        rankings = [self._rank(system) for system in systems]
        said = [
            system.inspect(self._split, ranking).statistics for system, ranking in zip(systems, rankings, strict=True)
        ]
        statistics = {name: float(np.mean([each[name] for each in said])) for name in said[0]}
        return replace(self._judged(rankings, drawn), statistics=statistics)

    def _restored(self, trained: Trained) -> System:
        return checkpoint.restore_system(trained.folder, self._task.corpus, digest=trained.digest)

    def _rank(self, system: System) -> Ranking:
        deep = depth(self._measures, self._split if self._cold else None)
        return rank_split(system, self._split, max(deep, INSPECTED))

    def _judged(self, full: Sequence[Ranking], drawn: Sequence[tuple[Ranking, int]]) -> Judged:
        everything = [evaluate(each, self._split, None, self._measures, self._agreed) for each in full]
        cold = [
            evaluate(each, self._split, self._task.withhold(self._cold, seed).cold, self._measures, self._agreed)
            for each, seed in drawn
        ]
        table = self._table(everything, [view for view in ("all", "clean") if view in everything[0].figures])
        trainings = [each.figures for each in everything]
        figures = mean(trainings)
        withheld = [each.figures for each in cold]
        if any("cold" in each for each in withheld):
            table |= self._table([each for each in cold if "cold" in each.figures], ["cold"])
            figures["cold"] = mean([each for each in withheld if "cold" in each])["cold"]
        self.queries = {view: int((~np.isnan(by[self._measures[0]])).any(axis=0).sum()) for view, by in table.items()}
        return Judged(figures, table, withheld, trainings)

    def _table(self, evaluations: Sequence[Evaluation], views: Sequence[str]) -> TableOf:
        return {
            view: {
                measure: np.stack([_of_split(each, view, measure, len(self._split)) for each in evaluations])
                for measure in self._measures
            }
            for view in views
        }


def _of_split(evaluation: Evaluation, view: str, measure: str, queries: int) -> FloatArray:
    """Return (Q,) the figure of each query of the split, NaN where it is not in the view."""
    values = np.full(queries, np.nan)
    values[evaluation.rows[view]] = evaluation.per_query[view][measure]
    return values


def mean(several: Sequence[Mapping[str, Mapping[str, float]]]) -> Figures:
    """Return the mean of figures that have the same views and measures."""
    return {
        view: {measure: float(np.mean([each[view][measure] for each in several])) for measure in by_measure}
        for view, by_measure in several[0].items()
        if all(view in each for each in several)
    }
