"""What goes wrong by class, as the conductor takes it: lived with, retried, given up, or the end of the sweep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nvf.journal import events, replay
from nvf.journal.facts import Published
from nvf.journal.leaderboard import leaderboard
from nvf.spec.form import Spec
from nvf.sweep.conductor import LOSSES, Conductor, Place
from nvf.sweep.failures import SAME
from nvf.sweep.orders import Fault, Order, Report
from nvf.sweep.study import SearchStudy
from nvf.training.record import Record
from tests.journal.written import write

SPEC: dict[str, Any] = {
    "name": "faulty",
    "task": {"source": "synthetic"},
    "system": {"choice": ["linear", "soft_attention"]},
    "space": {"lr": {"log": [1e-4, 1e-2]}},
    "search": {"sampler": "random", "trials": 12, "seed": 3},
    "budget": {"epochs": 4},
}
TRACE = 'Traceback (most recent call last):\n  File "{file}", line {line}, in step\n{error}'


@contextmanager
def conducting(folder: Path, **changes: Any) -> Iterator[Conductor]:
    """Begin a sweep in `folder`, or go on with it."""
    spec = Spec.model_validate({**SPEC, **changes})
    if not (folder / events.FILE).exists():
        with events.Journal.create(folder) as journal:
            task = {"name": "faulty", "fingerprint": "f", "queries": {}, "leaks": [], "notes": []}
            objectives = [str(each) for each in spec.objectives]
            plain = spec.model_dump(mode="json")
            write(
                journal,
                "sweep_started",
                format=events.FORMAT,
                sweep="faulty",
                spec=plain,
                objectives=objectives,
                task=task,
            )
    journal, found = events.Journal.open(folder)
    with journal:
        if len(found) > 1:
            found.append(write(journal, "sweep_resumed", spec=spec.model_dump(mode="json")))
        state = replay.replay(found)
        study = SearchStudy(spec, state)
        yield Conductor(spec, state, journal, study, Place(Path("task"), folder / "checkpoints"))


def ordered(conductor: Conductor) -> Order:
    order = conductor.next_order()
    assert order is not None
    return order


def report(order: Order, epoch: int, value: float = 0.5, size: int = 10, **more: Any) -> Report:
    """A worker's report; its checkpoint is there as a file of `size` bytes."""
    folder = Path(order.checkpoints) / f"epoch-{epoch:04d}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model").write_bytes(bytes(size))
    clock = {"seconds": 0.1, "latency_ms_p95": 1.0 + order.trial}
    record = Record(epoch=epoch, losses={}, figures={"all": {"nDCG@10": value}}, clock=clock)
    checkpoint = Published(str(folder), f"{order.trial}-{epoch}", size)
    final = epoch == order.epochs
    return Report(**{"trial": order.trial, "record": record, "checkpoint": checkpoint, "final": final, **more})


def complete(conductor: Conductor, values: list[float] | float, size: int = 10) -> Order:
    """Run one trial to its end, at one value or one for each epoch."""
    order = ordered(conductor)
    for epoch in range(order.epochs + 1):
        value = values if isinstance(values, float) else values[epoch]
        conductor.on_report(report(order, epoch, value, size))
    return order


def on_disk(folder: Path) -> list[str]:
    return sorted(f"{path.parent.name[-2:]}/{path.name[-1]}" for path in (folder / "checkpoints").glob("*/*"))


def test_the_same_bug_in_three_trials_ends_the_sweep_and_says_so(tmp_path: Path) -> None:
    with conducting(tmp_path, system="linear") as conductor:
        for number in range(SAME):
            error = TRACE.format(file="/x/linear.py", line=7, error=f"IndexError: index {number} is out of range")
            assert not conductor.on_report(Report(trial=ordered(conductor).trial, error=error))
        assert conductor.next_order() is None
        assert conductor.over
        conductor.close()
        state = conductor.state
    assert (state.status, state.reason) == ("paused", "failing")
    assert (
        state.error
        == "3 trials of linear failed the same way, and so would the next: IndexError: index 2 is out of range"
    )
    with conducting(tmp_path, system="linear") as conductor:
        assert ordered(conductor).trial == SAME, "a resume begins to count anew"


def test_half_the_batch_after_a_worker_was_killed_for_memory_and_infeasible_after_the_second(tmp_path: Path) -> None:
    with conducting(tmp_path, system="linear") as conductor:
        order = ordered(conductor)
        conductor.on_report(report(order, 0))
        conductor.on_report(report(order, 1))
        conductor.on_death(0, "running low on memory", out_of_memory=True)
        point = conductor.order(0)
        assert point.params == {**order.params, "batch_size": order.params["batch_size"] // 2}
        assert point.halved and point.resume == 1
        trial = conductor.state.trials[0]
        assert trial.params == order.params, "what it began with stays known"
        assert [each.fault for each in trial.faults] == ["out_of_memory"]
        conductor.on_death(0, "running low on memory", out_of_memory=True)
        assert trial.outcome == "infeasible"
        assert not conductor.on_report(report(order, 2)), "a closed trial stays closed"
    with conducting(tmp_path, system="linear") as conductor:
        trial = conductor.state.trials[0]
        assert trial.settings["batch_size"] == order.params["batch_size"] // 2
        row = leaderboard(conductor.state).trials[0]
        assert (row.outcome, row.settings["batch_size"]) == ("infeasible", trial.settings["batch_size"])


def test_half_the_batch_after_a_worker_found_memory_short_and_infeasible_after_the_second(
    tmp_path: Path,
) -> None:
    with conducting(tmp_path, system="linear") as conductor:
        order = ordered(conductor)
        conductor.on_report(report(order, 0))
        short = Report(trial=0, error="out of memory: not that much", infeasible=True)
        assert not conductor.on_report(short), "not with this order"
        again = ordered(conductor)
        assert (again.trial, again.resume, again.halved) == (0, 0, True)
        assert again.params == {**order.params, "batch_size": order.params["batch_size"] // 2}
        trial = conductor.state.trials[0]
        assert [(each.fault, each.epoch) for each in trial.faults] == [("out_of_memory", 0)]
        assert conductor.on_report(report(again, 1))
        assert not conductor.on_report(short)
        assert (trial.outcome, trial.error) == ("infeasible", short.error)
        assert ordered(conductor).trial == 1


def test_a_worker_that_is_lost_is_a_fault_and_no_failure(tmp_path: Path) -> None:
    with conducting(tmp_path) as conductor:
        order = ordered(conductor)
        conductor.on_report(report(order, 0))
        conductor.on_death(0, "The actor died unexpectedly", out_of_memory=False)
        trial = conductor.state.trials[0]
        assert trial.outcome is None
        assert [(each.fault, each.epoch) for each in trial.faults] == [("worker_lost", 0)]
        assert conductor.on_report(report(order, 1))


@pytest.mark.parametrize("drivers", [1, 2])
def test_a_worker_that_dies_again_and_again_fails_its_trial_whoever_drives(tmp_path: Path, drivers: int) -> None:
    """The journal counts: a sweep whose driver died ends as an undisturbed one does."""
    deaths = LOSSES + 1
    for driver in range(drivers):
        with conducting(tmp_path) as conductor:
            order = ordered(conductor)
            for _ in range(deaths // drivers):
                conductor.on_death(0, "The actor died unexpectedly", out_of_memory=False)
                conductor.on_lost(0)
                if driver < drivers - 1 or conductor.state.trials[0].outcome is None:
                    assert conductor.next_order() == order
    trial = replay.replay(events.read(tmp_path)).trials[0]
    assert (trial.outcome, trial.error) == ("failed", "the worker process died, and 3 more after it")
    assert len(trial.faults) == deaths


def test_a_full_disk_is_told_once_for_a_trial_and_it_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    with conducting(tmp_path) as conductor:
        order = ordered(conductor)
        full = (Fault("disk_full", "no room"),)
        conductor.on_report(report(order, 0))
        conductor.on_report(report(order, 1))
        conductor.on_report(report(order, 2, checkpoint=None, faults=full))
        conductor.on_report(report(order, 3, checkpoint=None, faults=full))
        assert len(conductor.state.trials[0].faults) == 1
        point = conductor.order(0)
        assert (point.resume, point.digests) == (3, {0: "0-0", 1: "0-1"})


def test_the_best_trials_keep_their_best_checkpoint_and_no_other(tmp_path: Path) -> None:
    with conducting(tmp_path, checkpoints={"keep": 2}) as conductor:
        complete(conductor, [0.0, 0.1, 0.3, 0.2, 0.1])
        assert on_disk(tmp_path) == ["00/2"]
        complete(conductor, 0.1)
        complete(conductor, [0.0, 0.1, 0.1, 0.4, 0.1])
        assert on_disk(tmp_path) == ["00/2", "02/3"], "trial 1 was the worst of three"
        running = ordered(conductor)
        conductor.on_report(report(running, 0, 0.05))
        complete(conductor, 0.01)
        assert on_disk(tmp_path) == ["00/2", "02/3", "03/0"], "what runs is left alone"
        assert [number for number, trial in conductor.state.trials.items() if trial.checkpoints] == [0, 2, 3]


def test_the_bytes_are_bounded_and_the_best_stays(tmp_path: Path) -> None:
    with conducting(tmp_path, checkpoints={"keep": 5, "bytes": "85B"}) as conductor:
        for value in (0.2, 0.4, 0.1, 0.3):
            complete(conductor, value, size=12)
        assert on_disk(tmp_path) == ["00/1", "01/1", "02/1", "03/1"]
        order = ordered(conductor)
        conductor.on_report(report(order, 0, 0.1, size=12))
        conductor.on_report(report(order, 1, 0.1, size=12))
        assert on_disk(tmp_path) == ["00/1", "01/1", "02/1", "03/1", "04/0", "04/1"]
        assert conductor.on_report(report(order, 2, 0.1, size=14))
        assert on_disk(tmp_path) == ["00/1", "01/1", "03/1", "04/0", "04/1", "04/2"], "the worst had to go"


def test_a_bound_that_not_even_the_running_trials_keep_pauses_the_sweep(tmp_path: Path) -> None:
    with conducting(tmp_path, checkpoints={"bytes": "25B"}) as conductor:
        order = ordered(conductor)
        for epoch in range(3):
            conductor.on_report(report(order, epoch, size=10))
        assert conductor.next_order() is None
        assert not conductor.on_report(report(order, 3, size=10))
        conductor.close()
        state = conductor.state
    assert (state.reason, state.trials[0].paused) == ("room", True)
    assert "more than checkpoints.bytes = 25" in state.error


def test_a_driver_that_died_before_it_deleted_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with conducting(tmp_path, checkpoints={"keep": 1}) as conductor:
        complete(conductor, 0.1)
        monkeypatch.setattr("nvf.sweep.conductor.shutil.rmtree", die)
        with pytest.raises(Killed):
            complete(conductor, 0.2)
        monkeypatch.undo()
    with conducting(tmp_path, checkpoints={"keep": 1}):
        assert on_disk(tmp_path) == ["01/1"]


def test_a_pareto_search_keeps_its_front(tmp_path: Path) -> None:
    with conducting(tmp_path, measure=["nDCG@10", "latency_ms_p95"], checkpoints={"keep": 1}) as conductor:
        for value in (0.1, 0.3, 0.2, 0.4):  # later trials are slower
            complete(conductor, value)
        assert [name[:2] for name in on_disk(tmp_path)] == ["00", "01", "03"]
