"""What holds for every system."""

from __future__ import annotations

import pytest
import torch

from nvf import testing
from nvf.systems import SYSTEMS, create
from nvf.tasks.base import Task
from nvf.testing import systems
from nvf.testing.systems import Settings

SETTINGS = {
    "linear": {"lr": 3e-3},
    "fused": {"dense": "linear", "linear.lr": 3e-3, "weight": 0.2},
    "cascade": {"first": "linear", "first_epochs": 2, "linear.lr": 3e-3, "depth": 12},
    "memory": {"learning.epochs": 3},
    "two_stage": {"stage_one.epochs": 2},
    "lvm": {"backbone.kind": "gru", "backbone.d_model": 16, "backbone.layers": 1, "batch_size": 64},
    "lvm_rerank": {"lvm.backbone.kind": "gru", "lvm.backbone.d_model": 16, "lvm.backbone.layers": 1, "depth": 9},
}
"""What a system needs so that three epochs on 400 queries touch all of it."""


@pytest.fixture(scope="module")
def vectors() -> Task:
    return systems.vectors()


@pytest.fixture(scope="module")
def windows() -> Task:
    return systems.windows()


@pytest.fixture(scope="class")
def task(name: str) -> Task:
    return systems.fitting(name)


def test_a_state_is_a_copy_that_training_leaves_alone(vectors: Task) -> None:
    system = create("linear", {}, vectors.corpus)
    system.prepare(vectors, 0)
    module = system.module()
    assert module is not None
    state = system.state()
    assert state and all(bool((value == 0).all()) for value in state.values()), "the identity"
    with torch.no_grad():
        for weight in module.parameters():
            weight.fill_(3.0)
    assert all(bool((value == 0).all()) for value in state.values())


@pytest.mark.parametrize("name", SYSTEMS, scope="class")
class TestSystem(testing.SystemCases):
    @pytest.fixture(scope="class")
    def settings(self, name: str) -> Settings:
        return SETTINGS.get(name, {})
