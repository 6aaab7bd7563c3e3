"""One trial, as a worker runs it: which checkpoints stay, how it goes on, how errors come back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from nvf import tasks
from nvf.journal.objective import Objective
from nvf.sweep.orders import Order, Report
from nvf.sweep.worker import Worker

OPTIONS = {"source": "synthetic", "documents": 60, "dim": 8, "map": "rotation", "train": 200, "dev": 30, "test": 30}


@pytest.fixture
def order(mlruns: Path, tmp_path: Path) -> Order:
    return Order(
        trial=3,
        system="linear",
        params={"lr": 0.03, "heads": "query"},
        seed=1,
        epochs=5,
        task=str(tasks.build_snapshot(OPTIONS)),
        cold=0.2,
        cold_seed=0,
        measures=("nDCG@10", "R@5"),
        objective="nDCG@10",
        checkpoints=str(tmp_path / "trial"),
        resume=None,
        digest=None,
        best=None,
        cpu=1,
        gpu=0,
    )


def run(order: Order) -> list[Report]:
    worker = Worker(order)
    reports = [worker.step()]
    while reports[-1].error is None and not reports[-1].final:
        reports.append(worker.step())
    return reports


def told(reports: list[Report]) -> list[dict[str, Any]]:
    return [{**dataclasses.asdict(report), "record": {**(report.record or {}), "clock": None}} for report in reports]


def test_a_trial_from_its_start(order: Order) -> None:
    reports = run(order)
    assert [report.record["epoch"] for report in reports if report.record] == [0, 1, 2, 3, 4, 5]
    values = [report.record["figures"]["all"]["nDCG@10"] for report in reports if report.record]
    kept = {int(path.name.removeprefix("epoch-")) for path in Path(order.checkpoints).glob("epoch-*")}
    best = max(range(1, 6), key=lambda epoch: (values[epoch], -epoch))
    assert kept == {4, 5, best}


def test_the_best_trained_epoch_is_kept_even_where_the_untrained_system_was_better(order: Order) -> None:
    hopeless = dataclasses.replace(order, params={"lr": 0.1, "heads": "separate"}, task=str(_without_map()))
    reports = run(hopeless)
    values = [report.record["figures"]["all"]["nDCG@10"] for report in reports if report.record]
    best = max(range(1, 6), key=lambda epoch: (values[epoch], -epoch))
    assert values[0] > values[best], "identity is best here"
    kept = {int(path.name.removeprefix("epoch-")) for path in Path(order.checkpoints).glob("epoch-*")}
    assert kept == {4, 5, best}


def test_a_trial_that_goes_on_tells_what_an_undisturbed_one_tells(order: Order) -> None:
    undisturbed = run(order)
    worker = Worker(order)
    first = [worker.step() for _ in range(3)]
    objective = Objective.parse("nDCG@10")
    best = max(first[1:], key=lambda report: objective.of(report.record or {}) or 0.0)
    assert first[-1].checkpoint is not None and best.record is not None
    later = dataclasses.replace(order, resume=2, digest=first[-1].checkpoint["digest"], best=best.record["epoch"])
    assert told(first + run(later)) == told(undisturbed)


def test_a_checkpoint_that_is_not_the_journaled_one_is_refused(order: Order) -> None:
    worker = Worker(order)
    for _ in range(3):
        worker.step()
    report = Worker(dataclasses.replace(order, resume=2, digest="0" * 64, best=2)).step()
    assert report.error is not None and report.error.startswith("CheckpointError: ")


def test_an_error_comes_back_as_a_report(order: Order) -> None:
    diverged = run(dataclasses.replace(order, params={"lr": 0.1}, measures=("nDCG@10", "nonsense")))[-1]
    assert diverged.error is not None and "nonsense" in diverged.error
    bug = Worker(dataclasses.replace(order, task="/nowhere")).step()
    assert bug.error is not None and "/nowhere" in bug.error


def _without_map() -> Path:
    return tasks.build_snapshot({**OPTIONS, "map": "none", "noise": 0.3})
