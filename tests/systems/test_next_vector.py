"""amn, two_tower, siamese: they begin as the mean of the context and learn the walk."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from nvf import tasks
from nvf.errors import ParamsError
from nvf.systems import create
from nvf.systems.next_vector import NEARBY, NextVector
from nvf.systems.two_tower import Recency
from nvf.tasks.assemble import make_corpus
from nvf.tasks.base import Task
from nvf.training.loop import Training


@pytest.fixture(scope="module")
def task() -> Task:
    options = {"source": "walks", "documents": 400, "dim": 16, "turn": 1.0, "noise": 0.15}
    return tasks.build({**options, "train": 3000, "dev": 200, "test": 10})


@pytest.mark.parametrize("name", ["amn", "two_tower", "siamese"])
def test_untrained_is_the_mean(task: Task, name: str) -> None:
    unit = torch.nn.functional.normalize(torch.randn(7, 5, 16), dim=-1).numpy()
    system = create(name, {}, task.corpus)
    queries = task.split("dev").queries.select(torch.arange(7).numpy())
    queries.vectors[:] = unit
    expected = create("context_mean", {}, task.corpus).rank(queries, 20)
    assert torch.allclose(system.rank(queries, 20).scores, expected.scores, atol=1e-5)
    assert system.rank(queries, 1).rows.equal(expected.rows[:, :1])


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("amn", {}),
        ("amn", {"lambda_infonce": 1.0, "lambda_ar": 0.0}),
        ("amn", {"lambda_infonce": 0.5, "lambda_ar": 0.5, "negatives": "context"}),
        ("amn", {"lambda_infonce": 1.0, "negatives": "corpus"}),
        ("amn", {"lambda_infonce": 1.0, "negatives": "nearby"}),
        ("two_tower", {"lr": 3e-3}),
        ("siamese", {"lr": 3e-3, "depth": 2}),
    ],
)
def test_it_learns_the_walk(task: Task, name: str, params: dict[str, object]) -> None:
    training = Training(create(name, params, task.corpus), task, seed=0, epochs=4, measures=["R@5"])
    start = training.start().figures["all"]["R@5"]
    last = [training.epoch(number) for number in range(1, 5)][-1]
    assert last.figures["all"]["R@5"] > start + 0.15


def test_only_parts_with_a_weight_are_there(task: Task) -> None:
    def parts(**weights: float) -> set[str]:
        system = create("amn", weights, task.corpus)
        system.prepare(task, 0)
        return set(system.losses(next(system.batches(1))))

    assert parts() == {"autoregressive"}
    assert parts(lambda_infonce=0.7, lambda_ar=0.3) == {"info_nce", "autoregressive"}
    assert parts(lambda_infonce=1.0, lambda_ar=0.0) == {"info_nce"}
    with pytest.raises(ParamsError, match="leave nothing to learn"):
        parts(lambda_ar=0.0)


def test_negatives_differ_in_what_they_add(task: Task) -> None:
    def loss(negatives: str) -> float:
        params = {"lambda_infonce": 1.0, "lambda_ar": 0.0, "negatives": negatives, "batch_size": 8}
        system = create("amn", params, task.corpus)
        system.prepare(task, 0)
        return system.losses(next(system.batches(1)))["info_nce"].item()

    assert loss("batch") < loss("context")
    assert loss("batch") < loss("corpus")


def test_memorisation_is_named_when_it_happens() -> None:
    few = tasks.build({"source": "walks", "documents": 40, "dim": 16, "noise": 1.0, "train": 40, "dev": 100, "test": 5})
    training = Training(
        create("amn", {"lr": 5e-3, "batch_size": 8}, few.corpus), few, seed=0, epochs=9, measures=["R@1"]
    )
    assert training.start().diagnoses == ()
    records = [training.epoch(number) for number in range(1, 10)]
    assert [each.name for each in records[-1].diagnoses] == ["memorisation"]


def test_a_healthy_run_has_no_diagnosis(task: Task) -> None:
    training = Training(create("amn", {}, task.corpus), task, seed=0, epochs=2, measures=["R@1"])
    assert [training.start().diagnoses, *(training.epoch(number).diagnoses for number in (1, 2))] == [(), (), ()]


def test_predictions_are_of_length_one(task: Task) -> None:
    system = create("amn", {}, task.corpus)
    assert isinstance(system, NextVector)
    system.prepare(task, 0)
    assert torch.allclose(system.predict(task.split("dev").queries).norm(dim=1), torch.ones(200))


def test_recency_goes_from_the_mean_to_the_last() -> None:
    windows, pool = torch.eye(3).unsqueeze(0), Recency(0.0)
    assert torch.allclose(pool(windows), torch.full((1, 3), math.sqrt(1 / 3)))
    assert torch.allclose(Recency(50.0)(windows), torch.tensor([[0.0, 0.0, 1.0]]))


def test_a_siamese_shares_its_encoder(task: Task) -> None:
    def count(name: str) -> int:
        group = create(name, {}, task.corpus).parameter_groups()[0]
        return sum(parameter.numel() for parameter in group["params"])

    tower = 16 * 512 + 512 + 512 * 16 + 16
    assert count("two_tower") == 2 * tower + 1
    assert count("siamese") == tower + 2 * 16 * 16 + 1


@pytest.mark.parametrize("name", ["two_tower", "siamese"])
def test_the_own_window_can_be_a_negative(task: Task, name: str) -> None:
    def loss(negatives: str) -> float:
        system = create(name, {"negatives": negatives, "batch_size": 8}, task.corpus)
        system.prepare(task, 0)
        return system.losses(next(system.batches(1)))["info_nce"].item()

    assert loss("batch") < loss("context")


@pytest.mark.parametrize("name", ["amn", "two_tower"])
def test_a_copy_of_the_answer_in_the_window_is_no_negative(task: Task, name: str) -> None:
    """Of windows that hold the answer twice, only the third vector is left to compete with."""
    answers = task.corpus.vectors[task.train.qrels.rows]
    asked = task.train.queries.vectors.copy()[:, -3:]
    asked[:, 0] = asked[:, 1] = answers
    asked /= np.linalg.norm(asked, axis=-1, keepdims=True)
    queries = dataclasses.replace(task.train.queries, vectors=asked)
    train = dataclasses.replace(task.train, queries=queries).select(np.array([0]))
    held = dataclasses.replace(task, splits={**task.splits, "train": train})
    params = {"lambda_infonce": 1.0, "lambda_ar": 0.0} if name == "amn" else {}

    def loss(negatives: str) -> tuple[float, Any]:
        system = create(name, {**params, "negatives": negatives, "temperature": 1.0}, task.corpus)
        system.prepare(held, 0)
        batch = next(system.batches(1))
        return system.losses(batch)["info_nce"].item(), batch

    assert loss("batch")[0] == 0
    with_context, batch = loss("context")
    (window,) = batch.queries
    mean = torch.nn.functional.normalize(window.mean(0), dim=0)  # what the untrained systems predict
    scores = window[[0, 2]] @ mean
    assert with_context == pytest.approx(float(scores.logsumexp(0) - scores[0]), rel=1e-3)


def test_a_single_vector_has_no_window_of_its_own() -> None:
    single = tasks.build({"source": "synthetic", "documents": 20, "dim": 4, "train": 5, "dev": 5, "test": 5})
    with pytest.raises(ParamsError, match="negatives = context needs windows"):
        create("two_tower", {"negatives": "context"}, single.corpus).prepare(single, 0)


def test_nearby_negatives_are_the_nearest_but_for_copies(task: Task) -> None:
    vectors = task.corpus.vectors.copy()
    target = int(task.train.qrels.rows[0])
    copy = (target + 1) % len(vectors)
    vectors[copy] = vectors[target]
    system = create("amn", {"lambda_infonce": 1.0, "negatives": "nearby"}, make_corpus(task.corpus.ids, vectors))
    assert isinstance(system, NextVector)
    system.prepare(task, 0)
    assert system._near is not None
    cosines = vectors @ vectors[target]
    nearest = [row for row in (-cosines).argsort().tolist() if row not in (target, copy)][: NEARBY - 1]
    assert system._near[target].tolist()[2:] == nearest
    assert system._near[target].tolist()[:2] == [-1, -1]
    assert all(loss.isfinite() for batch in system.batches(1) for loss in system.losses(batch).values())
