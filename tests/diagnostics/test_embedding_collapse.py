"""Embedding collapse is named where it is built, and not where embeddings are well."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nvf import tasks
from nvf.diagnostics.embedding_collapse import alignment, effective_rank, embedding_collapse, spread
from nvf.systems import create
from nvf.tasks.base import Task
from nvf.testing import inspected


def cloud(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_effective_rank_counts_directions() -> None:
    assert effective_rank(torch.eye(5)) == pytest.approx(4)  # centred, five corners span four directions
    assert effective_rank(torch.ones(3, 4)) == pytest.approx(1)
    assert effective_rank(cloud(400, 3) @ cloud(3, 50, seed=1)) < 3.01
    assert effective_rank(cloud(4000, 20)) == pytest.approx(20, abs=0.1)
    assert effective_rank(7 * cloud(30, 4) + 100) == pytest.approx(effective_rank(cloud(30, 4)), abs=0.01)


def test_spread_by_hand() -> None:
    found = spread(torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]]))
    # cosines 0, 0, -1, so squared distances 2, 2, 4
    assert found.cosine == pytest.approx(-1 / 3)
    assert found.uniformity == pytest.approx(math.log((2 * math.exp(-4) + math.exp(-8)) / 3), abs=1e-6)
    assert spread(torch.ones(4, 3)).uniformity == pytest.approx(0, abs=1e-5)


def test_alignment_by_hand() -> None:
    queries = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    assert alignment(queries, torch.tensor([[5.0, 0.0], [1.0, 0.0]])) == pytest.approx((0 + 2) / 2)


def test_all_alike_is_named() -> None:
    raw = cloud(200, 16)
    (found,) = embedding_collapse("query", spread(raw), spread(10 + raw), 16, 0.1)
    assert found.name == "embedding_collapse" and found.figure > found.threshold == 0.9
    assert "query embeddings" in found.text and "alignment 0.10" in found.text


def test_few_directions_are_named() -> None:
    raw = cloud(200, 16)
    (found,) = embedding_collapse("document", spread(raw), spread(raw @ cloud(16, 2, seed=1) @ cloud(2, 16)), 16, 0.1)
    assert found.figure < found.threshold == 0.4
    assert "few directions are left" in found.text


def test_a_map_that_keeps_directions_is_well() -> None:
    raw = cloud(200, 16)
    assert embedding_collapse("query", spread(raw), spread(raw @ cloud(16, 16, seed=1)), 16, 0.1) == []
    # nor is a narrow embedding flat, as long as it uses what it has
    assert embedding_collapse("query", spread(raw), spread(raw[:, :3]), 3, 0.1) == []
    # a corpus of two directions is no collapse of the head's
    flat = cloud(200, 2) @ cloud(2, 16)
    assert embedding_collapse("query", spread(flat), spread(flat), 16, 0.1) == []


@pytest.fixture(scope="module")
def task() -> Task:
    options = {"source": "synthetic", "documents": 60, "dim": 16, "noise": 0.15}
    return tasks.build({**options, "train": 100, "dev": 40, "test": 10})


def test_a_head_that_lost_its_directions_is_diagnosed_and_a_fresh_one_is_not(task: Task) -> None:
    system = create("jepa", {}, task.corpus)
    system.prepare(task, seed=0)
    assert not inspected(system, task.split("dev")).diagnoses
    state = system.state()
    state["head.mlp.3.weight"] = cloud(16, 1) @ cloud(1, 32, seed=1)
    system.load_state(state)
    (found,) = inspected(system, task.split("dev")).diagnoses
    assert found.name == "embedding_collapse"


def test_what_diverged_or_is_alone_has_no_spread(task: Task) -> None:
    system = create("jepa", {}, task.corpus)
    system.prepare(task, seed=0)
    one = task.split("dev").select(torch.tensor([0]).numpy())
    assert not inspected(system, one).diagnoses
    system.load_state({name: value * torch.nan for name, value in system.state().items()})
    assert not inspected(system, task.split("dev")).diagnoses
