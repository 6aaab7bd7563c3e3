"""Generated walks: one hidden rotation, a known best answer, nothing else to carry over."""

from __future__ import annotations

import numpy as np
import pytest

from nvf import tasks
from nvf.measures.evaluate import evaluate
from nvf.systems import create
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Task

SMALL = {"source": "walks", "documents": 300, "dim": 16, "train": 300, "dev": 400, "test": 100}


def success(name: str, task: Task) -> float:
    system, dev = create(name, {}, task.corpus), task.split("dev")
    system.prepare(task, 0)
    return evaluate(rank_split(system, dev, 1), dev, None, ["Success@1"]).figures["all"]["Success@1"]


def test_a_walk_steps_by_one_rotation() -> None:
    task = tasks.build({**SMALL, "noise": 0.0001, "context": 3})
    views = task.truth["map"].reshape(3, 16, 16)
    back = views[2]
    np.testing.assert_allclose(back @ back.T, np.eye(16), atol=1e-5)
    assert np.linalg.det(back) == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(views[0], back @ back @ back, atol=1e-5)
    dev = task.split("dev")
    answers = task.corpus.vectors[dev.qrels.rows]
    np.testing.assert_allclose(dev.queries.vectors, np.einsum("cde,qe->qcd", views, answers), atol=1e-3)


def test_turning_and_averaging_is_best() -> None:
    task = tasks.build({**SMALL, "dim": 32})
    raw, mean, oracle = (success(name, task) for name in ("raw", "context_mean", "oracle"))
    assert raw + 0.1 < mean < oracle - 0.1


def test_the_oracle_is_the_posterior() -> None:
    task = tasks.build(SMALL)
    dev = task.split("dev")
    oracle = create("oracle", {}, task.corpus)
    oracle.prepare(task, 0)
    images = task.corpus.vectors.astype(np.float64) @ task.truth["map"].T.astype(np.float64)
    asked = dev.queries.vectors.reshape(len(dev), -1).astype(np.float64)
    posterior = -((asked[:, None] - images) ** 2 * task.truth["precision"]).sum(-1) / 2
    assert np.array_equal(oracle.rank(dev.queries, 1).rows[:, 0], posterior.argmax(1))


def test_no_answer_is_in_two_splits() -> None:
    answers = [set(split.qrels.rows.tolist()) for split in tasks.build(SMALL).splits.values()]
    assert sum(map(len, answers)) == len(set.union(*answers))


def test_an_odd_width_keeps_one_direction() -> None:
    task = tasks.build({**SMALL, "dim": 5, "context": 1})
    np.testing.assert_allclose(task.truth["map"] @ task.truth["map"].T, np.eye(5), atol=1e-5)
