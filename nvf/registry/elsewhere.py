"""Judging on other tasks what was trained on one: the spec key `evaluate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from nvf import tasks
from nvf.measures.evaluate import Evaluation, depth, evaluate
from nvf.measures.significance import compare
from nvf.registry.judging import SPLIT, Trained, mean
from nvf.systems import SYSTEMS, create
from nvf.systems.base import System
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Task
from nvf.training import checkpoint


class Elsewhere:
    """Ranks the test splits of other tasks; of their labels, nothing but these is ever looked at.

    A query of theirs is clean where it has no near-duplicate among the training queries of the task that was trained
    on.

    Parameters
    ----------
    home
        The task that was trained on.
    options
        Of the other tasks, as in a sweep file.
    measures
        What is measured.
    """

    def __init__(self, home: Task, options: Sequence[Mapping[str, Any]], measures: Sequence[str]) -> None:
        self._measures = list(measures)
        self._tasks = [tasks.carry(home, tasks.open_snapshot(tasks.build_snapshot(each)), SPLIT) for each in options]

    def floors(self) -> dict[str, Any]:
        """Return the figures of every floor that applies to all of them: {tasks, queries, floors, average}."""
        found = self._floors()
        return {
            "tasks": [task.name for task in self._tasks],
            "fingerprints": [task.fingerprint for task in self._tasks],
            "queries": [next(iter(found.values()))[place].queries for place in range(len(self._tasks))],
            "floors": {name: self._shown(each) for name, each in found.items()},
        }

    def judge(self, finalists: Mapping[int, Sequence[Trained]], measure: str) -> dict[str, Any]:
        """Return floors and finalists, means over seeds, and each finalist's difference to each floor by `measure`.

        The average over the tasks is of the tasks' means; its interval comes from all their queries, each weighted so
        that every task counts the same.
        """
        floors = self._floors()
        rows = []
        for number, trained in finalists.items():
            by_seed = [
                [self._evaluate(place, self._restored(each, place)) for place in self._places] for each in trained
            ]
            figures = [self._shown(each) for each in by_seed]
            per_query = [
                np.mean([each[place].per_query["all"][measure] for each in by_seed], axis=0) for place in self._places
            ]
            against = {
                name: asdict(compare(self._pooled(per_query), self._pooled(self._values(floor, measure)), name, number))
                for name, floor in floors.items()
            }
            rows.append({"trial": number, **_mean_shown(figures), "against": against})
        return {**self.floors(), "finalists": rows}

    @property
    def _places(self) -> range:
        return range(len(self._tasks))

    def _floors(self) -> dict[str, list[Evaluation]]:
        found = {}
        for name, kind in SYSTEMS.items():
            if kind.floor and all(kind.applies_to(task) is None for task in self._tasks):
                found[name] = [self._evaluate(place, self._floor(name, task)) for place, task in enumerate(self._tasks)]
        return found

    @staticmethod
    def _floor(name: str, task: Task) -> System:
        system = create(name, {}, task.corpus)
        system.prepare(task, 0)
        return system

    def _restored(self, trained: Trained, place: int) -> System:
        return checkpoint.restore_system(trained.folder, self._tasks[place].corpus, digest=trained.digest)

    def _evaluate(self, place: int, system: System) -> Evaluation:
        split = self._tasks[place].split(SPLIT)
        return evaluate(rank_split(system, split, depth(self._measures)), split, None, self._measures)

    def _shown(self, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
        figures = [each.figures for each in evaluations]
        return {"figures": figures, "average": mean(figures)}

    def _values(self, evaluations: Sequence[Evaluation], measure: str) -> list[Any]:
        return [each.per_query["all"][measure] for each in evaluations]

    def _pooled(self, values: Sequence[Any]) -> Any:
        """Return the queries of all tasks in one row, weighted so that their mean is the mean of the tasks' means."""
        total = sum(len(each) for each in values)
        return np.concatenate([each * total / (len(values) * len(each)) for each in values])


def _mean_shown(shown: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    places = range(len(shown[0]["figures"]))
    return {
        "figures": [mean([each["figures"][place] for each in shown]) for place in places],
        "average": mean([each["average"] for each in shown]),
    }
