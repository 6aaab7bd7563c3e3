"""projection: isotropy alone, and it gets what it asks for."""

from __future__ import annotations

import pytest

from nvf import tasks
from nvf.errors import ParamsError
from nvf.systems import create
from nvf.tasks.base import Task
from nvf.training.loop import Training


@pytest.fixture(scope="module")
def task() -> Task:
    options = {"source": "synthetic", "documents": 60, "dim": 12, "noise": 0.1, "map": "anisotropic"}
    return tasks.build({**options, "train": 300, "dev": 30, "test": 10})


@pytest.mark.parametrize("isotropy", ["covariance", "sigreg"])
def test_the_cloud_becomes_rounder(task: Task, isotropy: str) -> None:
    params = {"isotropy": isotropy, "batch_size": 64, "lr": 3e-3}
    training = Training(create("projection", params, task.corpus), task, seed=0, epochs=6, measures=["RR@10"])
    training.start()
    records = [training.epoch(number) for number in range(1, 7)]
    assert all(set(record.losses) == {"isotropy"} for record in records)
    assert records[-1].losses["isotropy"] < 0.9 * records[0].losses["isotropy"]
    assert not any(record.diagnoses for record in records)


def test_without_isotropy_there_is_nothing_to_train(task: Task) -> None:
    with pytest.raises(ParamsError, match="nothing to train projection on: lambda_isotropy = 0"):
        create("projection", {"lambda_isotropy": 0}, task.corpus)
