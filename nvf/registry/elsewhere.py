"""Judging on other tasks what was trained on one: the spec key `evaluate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nvf import tasks
from nvf.journal.facts import Options
from nvf.journal.result import FloorsElsewhere, OnTasks, OnTasksOf, Transferred
from nvf.measures.comparison import Comparison
from nvf.measures.evaluate import Evaluation, depth, evaluate
from nvf.measures.judge import agreed
from nvf.measures.significance import compare
from nvf.registry.findings import adjusted, pairwise
from nvf.registry.judging import SPLIT, Trained, mean
from nvf.systems import baseline, baselines
from nvf.systems.base import System
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Task
from nvf.training import checkpoint
from nvf.types import FloatArray


class Elsewhere:
    """Ranks a split of other tasks; of their labels, nothing but its own is ever looked at.

    A query of theirs is clean where it has no near-duplicate among the training queries of `home`, the task that was
    trained on. `options` are those of the others, as in a sweep file; raises `TaskError` where one has other vectors.
    """

    def __init__(self, home: Task, options: Sequence[Options], measures: Sequence[str], split: str = SPLIT) -> None:
        self._measures, self._split = list(measures), split
        opened = (tasks.open_snapshot(tasks.build_snapshot(each)) for each in options)
        self._tasks = [tasks.carry(home, each, split) for each in opened]

    def judge(self, finalists: Mapping[int, Sequence[Trained]], measure: str) -> Transferred:
        """Return floors and finalists, means over seeds, and the differences by `measure`: to each floor, and pairwise.

        The average over the tasks is of the tasks' means; its interval comes from all their queries, each weighted so
        that every task counts the same. p is adjusted for there being several finalists (Holm).
        """
        floors = self._floors()
        judged = {number: [self._evaluated(each) for each in trained] for number, trained in finalists.items()}
        pooled = {number: self._pooled(by_seed, measure) for number, by_seed in judged.items()}
        against: dict[int, dict[str, Comparison]] = {number: {} for number in judged}
        for name, floor in floors.items():
            theirs = self._pooled([floor], measure)
            lines = {number: compare(ours, theirs) for number, ours in pooled.items()}
            for number, line in adjusted(lines).items():
                against[number][name] = line
        rows = []
        for number, by_seed in judged.items():
            own = _shown(by_seed)
            rows.append(OnTasksOf(number, own.figures, own.average, against[number]))
        described = self._described(floors)
        return Transferred(
            tasks=described.tasks,
            fingerprints=described.fingerprints,
            queries=described.queries,
            leaks=described.leaks,
            floors=described.floors,
            finalists=rows,
            pairwise=pairwise({"all": pooled}),
        )

    def floors(self) -> FloorsElsewhere:
        """Return the figures of every floor that applies to all of them."""
        return self._described(self._floors())

    def _described(self, floors: Mapping[str, Sequence[Evaluation]]) -> FloorsElsewhere:
        return FloorsElsewhere(
            tasks=[task.name for task in self._tasks],
            fingerprints=[task.fingerprint for task in self._tasks],
            queries=[each.queries for each in next(iter(floors.values()), [])],
            leaks=[leak for task in self._tasks for leak in task.leaks],
            floors={name: _shown([each]) for name, each in floors.items()},
        )

    def _floors(self) -> dict[str, list[Evaluation]]:
        floors = [name for name, role in baselines(*self._tasks).items() if role == "floor"]
        return {name: [self._evaluate(task, baseline(name, task)) for task in self._tasks] for name in floors}

    def _evaluated(self, trained: Trained) -> list[Evaluation]:
        return [
            self._evaluate(task, checkpoint.restore_system(trained.folder, task.corpus, digest=trained.digest))
            for task in self._tasks
        ]

    def _evaluate(self, task: Task, system: System) -> Evaluation:
        split = task.split(self._split)
        both = agreed(task.corpus.ids, split.queries.ids)
        return evaluate(rank_split(system, split, depth(self._measures)), split, None, self._measures, both)

    def _pooled(self, by_seed: Sequence[Sequence[Evaluation]], measure: str) -> FloatArray:
        """Return (S, Q) the queries of all tasks, weighted so that their mean is the mean of the tasks' means."""
        values = [
            np.stack([each[place].per_query["all"][measure] for each in by_seed]) for place in range(len(self._tasks))
        ]
        total = sum(each.shape[1] for each in values)
        return np.concatenate([each * total / (len(values) * each.shape[1]) for each in values], axis=1)


def _shown(by_seed: Sequence[Sequence[Evaluation]]) -> OnTasks:
    """Return figures by task, and their average over tasks: means over the seeds."""
    figures = [mean([each.figures for each in of_task]) for of_task in zip(*by_seed, strict=True)]
    return OnTasks(figures, mean(figures))
