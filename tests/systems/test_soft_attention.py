"""soft_attention: the untrained transform is the raw query; a rank limits what it can see."""

from __future__ import annotations

import pytest
import torch

from nvf import tasks
from nvf.systems import create
from nvf.systems.transform import Transform
from nvf.tasks.base import Task
from nvf.training.loop import Training


@pytest.fixture(scope="module")
def task() -> Task:
    options = {"source": "synthetic", "documents": 100, "dim": 24, "noise": 0.1, "map": "rotation"}
    return tasks.build({**options, "train": 3000, "dev": 200, "test": 200})


def transform(**changes: object) -> Transform:
    options = {"kind": "linear", "residual": True, "hidden": 8, "rank": None, "dropout": 0.0, **changes}
    return Transform(6, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_an_untrained_residual_is_the_direction_of_the_query(kind: str) -> None:
    queries = torch.randn(5, 6)
    assert torch.allclose(transform(kind=kind)(queries), torch.nn.functional.normalize(queries), atol=1e-6)
    assert not torch.allclose(transform(kind=kind, residual=False)(queries), transform(kind=kind)(queries), atol=1e-2)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_a_rank_limits_every_direction_of_the_result(kind: str) -> None:
    limited, free = transform(kind=kind, rank=2)(torch.randn(40, 6)), transform(kind=kind)(torch.randn(40, 6))
    assert torch.linalg.matrix_rank(limited, rtol=1e-4) == 2
    assert torch.linalg.matrix_rank(free, rtol=1e-4) == 6
    assert transform(rank=6).down is None


@pytest.mark.parametrize("params", [{}, {"transform": "mlp"}, {"learn_temperature": True}, {"residual": False}])
def test_it_undoes_a_hidden_rotation(task: Task, params: dict[str, object]) -> None:
    system = create("soft_attention", {"lr": 1e-2, "epochs": 5, **params}, task.corpus)
    training = Training(system, task, seed=0, epochs=99, measures=["Success@1"])
    assert training.start().figures["all"]["Success@1"] < 0.1
    records = [training.epoch(number) for number in range(1, training.epochs + 1)]
    assert len(records) == 5
    assert records[-1].figures["all"]["Success@1"] > 0.9


def test_the_temperature_moves_only_where_it_is_learned(task: Task) -> None:
    def after(learn: bool) -> float:
        system = create("soft_attention", {"learn_temperature": learn}, task.corpus)
        training = Training(system, task, seed=0, epochs=1, measures=["Success@1"])
        training.start()
        training.epoch(1)
        return float(system.state()["log_temperature"].exp())

    assert after(False) == pytest.approx(0.05)
    assert abs(after(True) - 0.05) > 1e-3
