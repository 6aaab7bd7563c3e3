"""lvm: each backbone learns the walk; the named variants; the published failure is recognised."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nvf import tasks
from nvf.errors import ParamsError
from nvf.systems import create
from nvf.systems.lvm import LVM
from nvf.tasks.base import Task
from nvf.testing import inspected
from nvf.training.loop import Training

SMALL = {"backbone.d_model": 64, "backbone.layers": 1, "backbone.d_state": 16, "backbone.dropout": 0.0}
RAW = {"projection": "none", "lambda_infonce": 0.85, "lambda_ar": 0.15, "batch_size": 128, "lr": 3e-3}


@pytest.fixture(scope="module")
def task() -> Task:
    options = {"source": "walks", "documents": 400, "dim": 16, "turn": 1.0, "noise": 0.15}
    return tasks.build({**options, "train": 3000, "dev": 200, "test": 10})


def new(task: Task, **changes: Any) -> LVM:
    system = create("lvm", {**SMALL, "backbone.kind": "gru", **changes}, task.corpus)
    assert isinstance(system, LVM)
    return system


@pytest.mark.parametrize("kind", ["gru", "transformer", "state_space"])
def test_every_backbone_learns_the_walk(task: Task, kind: str) -> None:
    training = Training(new(task, **RAW, **{"backbone.kind": kind}), task, seed=0, epochs=4, measures=["R@5"])
    training.start()
    last = [training.epoch(number) for number in range(1, 5)][-1]
    mean = create("context_mean", {}, task.corpus).rank(task.split("dev").queries, 5).rows
    hit = (mean == torch.tensor(task.split("dev").qrels.rows)[:, None]).any(1).float().mean().item()
    assert last.figures["all"]["R@5"] > max(0.5, hit + 0.1)
    assert last.diagnoses == ()


def test_a_residual_starts_at_the_mean(task: Task) -> None:
    queries = task.split("dev").queries
    expected = create("context_mean", {}, task.corpus).rank(queries, 9).rows
    assert new(task, residual=True).rank(queries, 9).rows.equal(expected)
    assert not new(task).rank(queries, 9).rows.equal(expected)


@pytest.mark.parametrize(
    ("stopped", "moved"),
    [("none", {"prediction", "projection"}), ("target", {"prediction", "projection"}), ("prediction", {"projection"})],
)
def test_the_stopped_branch_gets_no_gradient(task: Task, stopped: str, moved: set[str]) -> None:
    system = new(task, lambda_infonce=1.0, lambda_ar=0.0, stop_gradient=stopped, batch_size=32)
    system.prepare(task, 0)
    system.losses(next(system.batches(1)))["info_nce"].backward()
    network = system.module()
    parts = {"prediction": network.out, "projection": network.projection}
    got = {name for name, part in parts.items() if any(p.grad is not None for p in part.parameters())}
    assert got == moved


def test_the_stopped_target_changes_the_projections_gradient(task: Task) -> None:
    def gradient(stopped: str) -> torch.Tensor:
        system = new(task, lambda_infonce=1.0, lambda_ar=0.0, stop_gradient=stopped, batch_size=32)
        system.prepare(task, 0)
        system.losses(next(system.batches(1)))["info_nce"].backward()
        found = system.module().projection[0].weight.grad
        assert found is not None
        return found

    assert not torch.allclose(gradient("none"), gradient("target"))


def test_a_stopped_prediction_needs_a_projection(task: Task) -> None:
    with pytest.raises(ParamsError, match="leaves InfoNCE nothing to learn"):
        new(task, projection="none", stop_gradient="prediction")


def test_without_a_projection_both_cosines_are_one(task: Task) -> None:
    found = inspected(new(task, projection="none"), task.split("dev")).statistics
    assert found["cosine_dev"] == found["projected_cosine_dev"]
    assert abs(found["cosine_dev"]) < 0.3


def test_a_projection_that_turns_against_the_predictions_is_named(task: Task) -> None:
    system = new(task, residual=True, batch_size=128)
    system.prepare(task, 0)
    assert not inspected(system, task.split("dev")).diagnoses
    optimiser = torch.optim.Adam(system.module().projection.parameters(), lr=3e-3)
    for batch in system.batches(1):
        targets = torch.tensor(task.corpus.vectors)[batch.positives]
        predictions = system.module()(batch.queries).detach()
        project = system.module().project
        optimiser.zero_grad()
        (project(predictions) * project(targets)).sum(1).mean().backward()  # downhill: apart
        optimiser.step()
    assert "split_objective" in {each.name for each in inspected(system, task.split("dev")).diagnoses}
