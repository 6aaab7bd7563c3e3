"""context_mean and raw on windows: floors of next-vector prediction."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nvf import tasks
from nvf.systems import SYSTEMS, create
from nvf.tasks.base import Task
from nvf.types import Queries


@pytest.fixture(scope="module")
def task() -> Task:
    return tasks.build({"source": "walks", "documents": 60, "dim": 8, "train": 50, "dev": 30, "test": 10})


def test_they_rank_by_the_mean_and_by_the_last(task: Task) -> None:
    dev = task.split("dev").queries
    for name, vectors in (("context_mean", dev.vectors.mean(axis=1)), ("raw", dev.vectors[:, -1])):
        expected = create("raw", {}, task.corpus).rank(Queries(dev.ids, vectors), 9)
        assert create(name, {}, task.corpus).rank(dev, 9).rows.equal(expected.rows)


def test_windows_are_for_the_systems_that_know_them(task: Task) -> None:
    applies = {name for name, kind in SYSTEMS.items() if kind.applies_to(task) is None}
    assert applies >= {"raw", "context_mean", "oracle", "amn", "two_tower", "siamese"}
    assert not applies & {"bm25", "hybrid", "fused", "linear", "soft_attention", "two_stage"}


def test_what_is_no_window_is_named(task: Task) -> None:
    def changed(vectors: np.ndarray) -> Task:
        dev = task.split("dev")
        queries = dataclasses.replace(dev.queries, vectors=vectors.astype(np.float32))
        return dataclasses.replace(task, splits={**task.splits, "dev": dataclasses.replace(dev, queries=queries)})

    needs = SYSTEMS["context_mean"].applies_to
    assert "one vector, not a window" in str(needs(changed(np.zeros((30, 8)))))
    assert "9 wide, its documents 8" in str(needs(changed(np.zeros((30, 5, 9)))))
    assert "9 wide, its documents 8" in str(SYSTEMS["raw"].applies_to(changed(np.zeros((30, 9)))))
