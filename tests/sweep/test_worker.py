"""One trial, as a worker runs it: which checkpoints stay, how it goes on, how errors come back."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nvf import tasks
from nvf.measures.objective import Objective
from nvf.plain import plain
from nvf.sweep.orders import Order, Report
from nvf.sweep.worker import Worker
from nvf.training import checkpoint
from tests import orders


@pytest.fixture
def order(mlruns: Path, tmp_path: Path) -> Order:
    return orders.order(tmp_path / "trial")


def run(order: Order) -> list[Report]:
    worker = Worker(order)
    reports = [worker.step()]
    while reports[-1].error is None and not reports[-1].final:
        reports.append(worker.step())
    return reports


def told(reports: list[Report]) -> list[dict[str, Any]]:
    return [
        {**dataclasses.asdict(report), "record": {**plain(report.record), "clock": None}, "faults": None}
        for report in reports
    ]


def test_a_trial_from_its_start(order: Order) -> None:
    reports = run(order)
    assert [report.record.epoch for report in reports if report.record] == [0, 1, 2, 3, 4, 5]
    values = [report.record.figures["all"]["nDCG@10"] for report in reports if report.record]
    kept = {int(path.name.removeprefix("epoch-")) for path in Path(order.checkpoints).glob("epoch-*")}
    best = max(range(1, 6), key=lambda epoch: (values[epoch], -epoch))
    assert kept == {3, 4, 5, best}


def test_the_best_trained_epoch_is_kept_even_where_the_untrained_system_was_better(order: Order) -> None:
    hopeless = dataclasses.replace(order, params={"lr": 0.1, "heads": "separate"}, task=str(_without_map()))
    reports = run(hopeless)
    values = [report.record.figures["all"]["nDCG@10"] for report in reports if report.record]
    best = max(range(1, 6), key=lambda epoch: (values[epoch], -epoch))
    assert values[0] > values[best], "identity is best here"
    kept = {int(path.name.removeprefix("epoch-")) for path in Path(order.checkpoints).glob("epoch-*")}
    assert kept == {3, 4, 5, best}


def test_a_trial_that_goes_on_tells_what_an_undisturbed_one_tells(order: Order) -> None:
    undisturbed = run(order)
    first, later = interrupted(order, 3)
    assert told(first + run(later)) == told(undisturbed)


def interrupted(order: Order, epochs: int) -> tuple[list[Report], Order]:
    """Run so many epochs; return their reports, and the order that goes on from there."""
    worker = Worker(order)
    first = [worker.step() for _ in range(epochs)]
    values = {report.record.epoch: Objective.parse("nDCG@10").of(report.record) or 0.0 for report in first}
    best = max((epoch for epoch in values if epoch), key=lambda epoch: values[epoch])
    digests = {report.record.epoch: report.checkpoint.digest for report in first}
    kept = sorted({*sorted(digests)[-3:], best})
    later = dataclasses.replace(
        order, resume=epochs - 1, digests={each: digests[each] for each in kept}, best=(best, values[best])
    )
    return first, later


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def delete(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "checkpoint.json"])
@pytest.mark.parametrize("damage", [truncate, empty, flip, delete])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    order: Order, damage: Callable[[Path], None], file: str
) -> None:
    undisturbed = run(order)
    first, later = interrupted(order, 4)
    damage(Path(order.checkpoints) / "epoch-0003" / file)
    reports = run(later)
    assert told(first + reports) == told(undisturbed), "nothing is told twice, and nothing differs"
    assert [fault.kind for fault in reports[0].faults] == ["checkpoint_damaged"]
    assert "epoch-0003" in reports[0].faults[0].detail


def test_where_every_checkpoint_is_damaged_the_trial_is_trained_from_its_start(order: Order) -> None:
    undisturbed = run(order)
    first, later = interrupted(order, 4)
    for folder in Path(order.checkpoints).iterdir():
        empty(folder / "checkpoint.json")
    reports = run(later)
    assert told(first + reports) == told(undisturbed)
    assert "from the start" in reports[0].faults[0].detail


def test_where_the_best_checkpoint_is_damaged_it_is_made_again(order: Order) -> None:
    values = [report.record.figures["all"]["nDCG@10"] for report in run(order)]
    _, later = interrupted(order, 6)
    assert later.best is not None
    folder = Path(order.checkpoints) / f"epoch-{later.best[0]:04d}"
    flip(folder / "model.safetensors")
    assert Worker(dataclasses.replace(later, epochs=7)).step().record is not None
    assert values[later.best[0]] == later.best[1]
    checkpoint.load(folder, later.digests[later.best[0]])


def test_a_trial_that_does_not_come_out_the_same_again_is_given_up(order: Order) -> None:
    _, later = interrupted(order, 4)
    flip(Path(order.checkpoints) / "epoch-0003" / "checkpoint.json")
    other = dataclasses.replace(later, digests={**later.digests, 3: "0" * 64})
    report = Worker(other).step()
    assert report.error is not None and "did not give the same" in report.error


LIMITED = """
import pickle, resource, sys
import psutil
from nvf.sweep.worker import Worker
worker = Worker(pickle.load(sys.stdin.buffer))
reports = [worker.step()]
limit = psutil.Process().memory_info().vms + (300 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
reports += [worker.step() for _ in range(2)]
pickle.dump(reports, sys.stdout.buffer)
"""


def limited(order: Order, batch: int) -> list[Report]:
    """Run three epochs of a greedy trial in a process that gets 300 MiB more memory than it has after the first."""
    greedy = dataclasses.replace(order, params={**order.params, "batch_size": batch}, task=str(_large()))
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], input=pickle.dumps(greedy), stdout=subprocess.PIPE, check=True
    )
    reports: list[Report] = pickle.loads(done.stdout)
    return reports


@pytest.mark.slow
def test_too_little_memory_is_told_of_and_half_the_batch_is_enough(order: Order) -> None:
    first, second, _ = limited(order, 2000)
    assert first.error is None
    assert second.infeasible and second.error is not None and "out of memory" in second.error
    assert [report.error for report in limited(order, 1000)] == [None, None, None]


def test_an_error_comes_back_as_a_report(order: Order) -> None:
    diverged = run(dataclasses.replace(order, params={"lr": 0.1}, measures=("nDCG@10", "nonsense")))[-1]
    assert diverged.error is not None and "nonsense" in diverged.error
    bug = Worker(dataclasses.replace(order, task="/nowhere")).step()
    assert bug.error is not None and "/nowhere" in bug.error


def _large() -> Path:
    return tasks.build_snapshot({**orders.OPTIONS, "documents": 20_000, "train": 2000})


def _without_map() -> Path:
    return tasks.build_snapshot({**orders.OPTIONS, "map": "none", "noise": 0.3})
