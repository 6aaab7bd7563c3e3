"""asymmetric: two heads that share nothing; contrastive alone, or with a predictor."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nvf import tasks
from nvf.systems import create
from nvf.systems.asymmetric import Asymmetric
from nvf.tasks.base import Task
from nvf.training.loop import Training


@pytest.fixture(scope="module")
def task() -> Task:
    options = {"source": "synthetic", "documents": 60, "dim": 12, "noise": 0.1, "map": "rotation"}
    return tasks.build({**options, "train": 800, "dev": 40, "test": 10})


def losses(task: Task, **params: Any) -> tuple[Asymmetric, dict[str, torch.Tensor]]:
    system = create("asymmetric", params, task.corpus)
    assert isinstance(system, Asymmetric)
    system.prepare(task, seed=0)
    return system, system.losses(next(iter(system.batches(1))))


def test_the_published_point_is_contrastive_only(task: Task) -> None:
    system, parts = losses(task)
    assert set(parts) == {"contrastive"}
    parts["contrastive"].backward()
    gradients = {name.split(".")[0]: p.grad is not None for name, p in system.module().named_parameters()}
    assert gradients == {"query": True, "document": True, "predictor": False}


def test_a_predictor_where_it_has_a_weight(task: Task) -> None:
    system, parts = losses(task, lambda_contrastive=0, lambda_predictive=1.2)
    assert set(parts) == {"predictive"}
    parts["predictive"].backward()
    gradients = {name.split(".")[0]: p.grad is not None for name, p in system.module().named_parameters()}
    assert gradients == {"query": True, "document": False, "predictor": True}, "the target is stopped"


def test_the_heads_differ_from_the_start(task: Task) -> None:
    state = losses(task)[0].state()
    assert not torch.equal(state["query.mlp.0.weight"], state["document.mlp.0.weight"])


@pytest.mark.parametrize("params", [{}, {"lambda_predictive": 1.2}, {"formulation": "n01"}])
def test_it_learns_a_hidden_rotation_and_keeps_its_spread(task: Task, params: dict[str, Any]) -> None:
    system = create("asymmetric", {"lr": 3e-3, **params}, task.corpus)
    training = Training(system, task, seed=0, epochs=4, measures=["RR@10"])
    start = training.start().figures["all"]["RR@10"]
    records = [training.epoch(number) for number in range(1, 5)]
    assert records[-1].figures["all"]["RR@10"] > start + 0.3
    assert not any(record.diagnoses for record in records)


@pytest.mark.parametrize("side", ["query", "document"])
def test_either_side_may_collapse(task: Task, side: str) -> None:
    system = losses(task)[0]
    state = system.state()
    assert system.diagnose(task.split("dev")) == []
    state[f"{side}.standardise.mean"] -= 100 * state[f"{side}.standardise.variance"].sqrt()
    system.load_state(state)
    (found,) = system.diagnose(task.split("dev"))
    assert (
        found.name == "embedding_collapse" and f"the {side} embeddings" in found.text and "all are alike" in found.text
    )
