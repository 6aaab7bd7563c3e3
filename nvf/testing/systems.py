"""What holds for every system."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import pytest
import torch

from nvf import tasks
from nvf.params import bounds, flatten, make
from nvf.systems import SYSTEMS, create
from nvf.systems.base import INSPECTED, Inspection, Role, System
from nvf.systems.catalogue import diagnoses
from nvf.systems.ranking import rank_split
from nvf.tasks.assemble import make_corpus
from nvf.tasks.base import Split, Task
from nvf.types import Queries, Ranking

DOCUMENTS = 60
Settings = Mapping[str, Any]


@functools.cache
def vectors() -> Task:
    """Generated vectors with texts; rows 3 and 7 are the same document under two ids, never judged in train, and
    lengths differ."""
    options = {"source": "synthetic", "documents": DOCUMENTS, "dim": 16, "map": "anisotropic", "noise": 0.15}
    made = tasks.build({**options, "train": 400, "dev": 40, "test": 10})
    vectors = np.array(made.corpus.vectors) * np.linspace(0.5, 2, DOCUMENTS, dtype=np.float32)[:, None]
    vectors[7] = vectors[3]
    texts = [f"word{row % 20} word{row % 7} common" for row in range(DOCUMENTS)]
    texts[7] = texts[3]
    corpus = make_corpus(made.corpus.ids, vectors, texts)
    splits = {
        name: dataclasses.replace(
            split,
            queries=dataclasses.replace(
                split.queries, texts=[f"word{split.qrels.of(row)[0][0] % 20} common" for row in range(len(split))]
            ),
        )
        for name, split in made.splits.items()
    }
    unjudged = np.flatnonzero(~np.isin(splits["train"].qrels.rows, (3, 7)))
    splits["train"] = splits["train"].select(unjudged)  # what tells twins apart could not show their tie
    return dataclasses.replace(made, corpus=corpus, splits=splits)


@functools.cache
def windows() -> Task:
    """The same task, where each query comes after the three queries before it."""

    task = vectors()

    def window(split: Split) -> Split:
        asked = np.stack([np.roll(split.queries.vectors, lag, axis=0) for lag in (3, 2, 1, 0)], axis=1)
        return dataclasses.replace(split, queries=dataclasses.replace(split.queries, vectors=asked, texts=None))

    splits = {name: window(split) for name, split in task.splits.items()}
    return dataclasses.replace(task, splits=splits, truth={})


def fitting(name: str) -> Task:
    """Return the task of single vectors, or that of windows for a system that works on nothing else."""
    return vectors() if SYSTEMS[name].applies_to(vectors()) is None else windows()


def trained(name: str, settings: Settings, task: Task, seed: int = 0, epochs: int = 3) -> tuple[System, list[float]]:
    """Return a system after some epochs of plain descent, with its mean loss in each."""
    system = create(name, settings, task.corpus)
    system.prepare(task, seed)
    losses = []
    if groups := system.parameter_groups():
        optimiser = torch.optim.Adam(groups)
        for epoch in range(1, system.epochs(epochs) + 1):
            torch.manual_seed(epoch)
            total, queries = 0.0, 0
            for batch in system.batches(epoch):
                loss = torch.stack([*system.losses(batch).values()]).sum()
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                system.after_step()
                total, queries = total + len(batch) * loss.item(), queries + len(batch)
            losses.append(total / queries)
    return system, losses


def inspected(system: System, split: Split) -> Inspection:
    """Return what a system says of itself on a split that nobody has ranked yet."""
    return system.inspect(split, rank_split(system, split, INSPECTED))


def same(left: Ranking, right: Ranking) -> bool:
    """Return whether two rankings are equal."""
    return torch.equal(left.rows, right.rows) and torch.equal(left.scores, right.scores)


class SystemCases:
    """What holds for the system called `name`, by which the class is to be parametrised.

    `settings` may be overridden: parameters by which three epochs on 400 queries touch all of it.
    """

    @pytest.fixture(scope="class")
    def settings(self, name: str) -> Settings:
        """Return the parameters to train with."""
        return {}

    @pytest.fixture(scope="class")
    def task(self, name: str) -> Task:
        """Return single vectors, or windows for the systems that work on nothing else."""
        return fitting(name)

    @pytest.fixture(scope="class")
    def done(self, name: str, settings: Settings, task: Task) -> System:
        """Return the system after three epochs."""
        return trained(name, settings, task)[0]

    def test_describes_itself(self, name: str) -> None:
        kind = SYSTEMS[name]
        assert kind.name == name and kind.summary and kind.source and "\n" not in kind.summary
        assert kind.role in get_args(Role)
        assert all(bound.doc for bound in bounds(kind.Params).values())

    def test_params_survive_flattening(self, name: str, settings: Settings) -> None:
        params = make(SYSTEMS[name].Params, settings)
        assert make(SYSTEMS[name].Params, flatten(params)) == params
        assert hash(params) == hash(make(SYSTEMS[name].Params, flatten(params)))

    def test_applies(self, name: str, task: Task) -> None:
        assert SYSTEMS[name].applies_to(task) is None

    def test_training_lowers_the_loss(self, name: str, settings: Settings, task: Task) -> None:
        if not SYSTEMS[name].learns():
            assert create(name, settings, task.corpus).epochs(5) == 0
            return
        first, second = trained(name, settings, task, epochs=2)[1]
        assert second < first

    def test_ranking_is_one(self, name: str, task: Task, done: System) -> None:
        ranking = done.rank(task.split("dev").queries, 12)
        assert ranking.rows.shape == ranking.scores.shape == (40, 12)
        assert ranking.rows.dtype == torch.int64 and ranking.scores.dtype == torch.float32
        for rows, scores in zip(ranking.rows, ranking.scores, strict=True):
            hits = rows[rows >= 0]
            assert len(hits.unique()) == len(hits) and (hits < DOCUMENTS).all()
            assert (scores[rows < 0] == -torch.inf).all() and scores[rows >= 0].isfinite().all()
        assert (ranking.scores[:, :-1] >= ranking.scores[:, 1:]).all()

    def test_ties_go_to_the_later_id(self, name: str, task: Task, done: System) -> None:
        ranking = done.rank(task.split("dev").queries, DOCUMENTS)
        order = torch.tensor(task.corpus.order)[ranking.rows]
        tied = (ranking.scores[:, :-1] == ranking.scores[:, 1:]) & (ranking.rows[:, 1:] >= 0)
        assert tied.any(), "two documents are the same"
        assert (order[:, :-1] > order[:, 1:])[tied].all()

    def test_a_deeper_ranking_begins_alike(self, name: str, task: Task, done: System) -> None:
        queries = task.split("dev").queries
        assert torch.equal(done.rank(queries, 30).rows[:, :8], done.rank(queries, 8).rows)

    def test_k_beyond_the_corpus(self, name: str, task: Task, done: System) -> None:
        ranking = done.rank(task.split("dev").queries, DOCUMENTS + 5)
        assert ranking.rows.shape == (40, DOCUMENTS)

    def test_one_query(self, name: str, task: Task, done: System) -> None:
        queries = task.split("dev").queries
        one = done.rank(queries.select(np.array([5])), 1)
        assert one.rows.tolist() == [done.rank(queries, 1).rows[5].tolist()]

    def test_no_query(self, name: str, task: Task, done: System) -> None:
        empty = Queries([], task.split("dev").queries.vectors[:0], [])
        assert len(done.rank(empty, 3)) == 0

    def test_the_seed_decides(self, name: str, settings: Settings, task: Task, done: System) -> None:
        queries = task.split("dev").queries
        torch.rand(7)
        assert same(trained(name, settings, task)[0].rank(queries, 5), done.rank(queries, 5))
        if SYSTEMS[name].learns():
            assert not same(trained(name, settings, task, seed=1)[0].rank(queries, 5), done.rank(queries, 5))

    def test_state_ranks_without_the_task(self, name: str, settings: Settings, task: Task, done: System) -> None:
        restored = create(name, settings, task.corpus)
        restored.load_state(done.state())
        queries = task.split("dev").queries
        assert same(restored.rank(queries, 9), done.rank(queries, 9))
        left, right = (inspected(each, task.split("dev")).statistics for each in (restored, done))
        assert set(left) <= set(right)

    def test_training_leaves_the_corpus_alone(self, name: str, settings: Settings, task: Task) -> None:
        before = np.array(task.corpus.vectors)
        trained(name, settings, task, epochs=1)
        assert np.array_equal(before, task.corpus.vectors)

    def test_what_it_finds_is_declared(self, name: str, task: Task, done: System) -> None:
        found = inspected(done, task.split("dev"))
        assert {each.name for each in found.diagnoses} <= set(done.diagnoses) <= set(diagnoses())
