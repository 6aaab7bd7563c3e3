"""two_stage trained jointly: both parts are logged, and a gradient passes where the top-k lets it."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from nvf import tasks
from nvf.systems import create
from nvf.systems.two_stage import TwoStage
from nvf.tasks.base import Task
from nvf.topk import MODES
from nvf.training import checkpoint
from nvf.training.loop import Training

SHARES = ("missed", "lost", "unmoved", "kept", "won")
JOINT = {"training": "joint", "stage_one.lr": 0.02, "stage_one.rank": 16, "depth": 10}


@pytest.fixture(scope="module")
def task() -> Task:
    options = {"source": "synthetic", "documents": 200, "dim": 32, "noise": 0.19, "map": "rotation"}
    return tasks.build({**options, "train": 2000, "dev": 400, "test": 10})


def new(task: Task, mode: str, **params: object) -> Training:
    system = create("two_stage", {**JOINT, "topk": mode, **params}, task.corpus)
    return Training(system, task, seed=0, epochs=20, measures=["Success@1"])


@pytest.fixture(scope="module", params=MODES)
def done(request: pytest.FixtureRequest, task: Task) -> Training:
    training = new(task, request.param)
    training.start()
    for number in range(1, 7):
        record = training.epoch(number)
        assert set(record.losses) == {"attention", "rerank"}
        assert sum(record.statistics[share] for share in SHARES) == pytest.approx(1)
        assert (record.statistics["query_gradient"] == 0) == (request.param == "hard")
        assert record.statistics["query_gradient_reranker"] > 1e-3, "the notes' criterion"
    return training


def test_both_stages_learn(task: Task, done: Training) -> None:
    assert isinstance(done.system, TwoStage)
    stages = done.system.stages(task.split("dev"))
    assert stages.stage_one > 0.5
    assert stages.pipeline > stages.stage_one + 0.02


def test_the_gradient_at_the_query_is_exactly_0_for_hard_alone(done: Training) -> None:
    assert isinstance(done.system, TwoStage)
    norm = done.system.query_gradients()["query_gradient"]
    assert norm == 0.0 if done.system.params.topk == "hard" else norm > 1e-3


@pytest.mark.parametrize("mode", MODES)
def test_the_rerankers_loss_teaches_stage_one_through_the_choice_alone(task: Task, mode: str) -> None:
    training = new(task, mode)
    training.start()
    system = training.system
    losses = system.losses(next(iter(system.batches(1))))
    gradients = torch.autograd.grad(
        losses["rerank"], [*system.module().stage_one.parameters()][1:], allow_unused=True, materialize_grads=True
    )
    reached = sum(float(gradient.norm()) for gradient in gradients)
    assert reached == 0 if mode == "hard" else reached > 1e-4


@pytest.mark.parametrize("mode", MODES)
def test_the_direct_gradient_is_an_option(task: Task, mode: str) -> None:
    """By finite differences at a weight of stage one's that moves the query, and not the choice: the mode is hard."""
    gradients = {}
    for direct in (False, True):
        training = new(task, mode, direct=direct)
        training.start()
        training.epoch(1)
        system = training.system
        weight = system.module().stage_one.transform.change[1].weight
        batch = next(iter(system.batches(2)))
        loss = system.losses(batch)["rerank"]
        (gradients[direct],) = torch.autograd.grad(loss, weight, allow_unused=True, materialize_grads=True)
    assert float((gradients[True] - gradients[False]).norm()) > 1e-3
    if mode != "hard":
        return
    assert float(gradients[False].norm()) == 0
    system.module().reranker.mlp[2].p = 0.0
    place, step = divmod(int(gradients[True].abs().argmax()), 32), 1e-3
    (exact,) = torch.autograd.grad(system.losses(batch)["rerank"], weight)
    with torch.no_grad():
        weight[place] += step
        above = float(system.losses(batch)["rerank"])
        weight[place] -= 2 * step
        below = float(system.losses(batch)["rerank"])
    assert float(exact[place]) == pytest.approx((above - below) / (2 * step), rel=0.05)


def test_separate_training_takes_no_notice_of_the_mode(task: Task) -> None:
    states = []
    for mode, direct in (("hard", False), ("gumbel", True)):
        training = new(task, mode, training="separate", direct=direct, **{"stage_one.epochs": 1})
        training.start()
        for number in (1, 2):
            training.epoch(number)
        states.append(training.system.state())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_it_goes_on_as_if_undisturbed(task: Task, tmp_path: Path) -> None:
    training = new(task, "gumbel")
    training.start()
    for number in (1, 2):
        record = training.epoch(number)
    checkpoint.save(tmp_path / "epoch", training, record)
    undisturbed = copy.deepcopy(training.epoch(3).losses), training.system.state()
    again = new(task, "gumbel")
    checkpoint.resume(tmp_path / "epoch", again)
    assert again.epoch(3).losses == undisturbed[0]
    assert all(torch.equal(value, again.system.state()[name]) for name, value in undisturbed[1].items())


def test_what_ranks_is_what_did_best_on_the_held_out_queries(task: Task) -> None:
    """After the last improvement stage one learns on, and the one that ranks stays."""
    training = new(task, "hard", **{"reranker.patience": 1, "stage_one.lr": 0.1})
    training.start()
    number, losses = 0, {"attention": 1.0}
    while losses and number < 20:
        number += 1
        losses = dict(training.epoch(number).losses)
    assert not losses, "it stopped"
    pipeline = training.system.module()
    assert int(pipeline.stale) == 1
    assert not torch.equal(pipeline.kept.transform.change[1].weight, pipeline.stage_one.transform.change[1].weight)
    assert pipeline.first is pipeline.kept
