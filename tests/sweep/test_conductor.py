"""The search without training: a made-up learning curve answers every order, so hundreds of trials take seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nvf.errors import SweepError
from nvf.journal import events, replay
from nvf.journal.facts import Published
from nvf.journal.leaderboard import leaderboard
from nvf.spec.form import Spec
from nvf.sweep.conductor import Conductor, Place
from nvf.sweep.failures import SAME
from nvf.sweep.orders import Order, Report
from nvf.sweep.study import SearchStudy
from nvf.training.record import Record
from tests.journal.equal import same
from tests.journal.written import write

SPEC: dict[str, Any] = {
    "name": "curves",
    "task": {"source": "synthetic"},
    "system": {"choice": ["linear", "soft_attention"]},
    "space": {
        "lr": {"log": [1e-4, 1e-2]},
        "linear.heads": {"choice": ["query", "shared"]},
        "soft_attention.hidden": {"int": [8, 512], "log": True, "when": {"soft_attention.transform": "mlp"}},
        "soft_attention.transform": {"choice": ["linear", "mlp"]},
    },
    "start": [{"system": "linear", "lr": 0.001, "linear.heads": "shared"}],
    "search": {"sampler": "tpe", "trials": 24, "seed": 3},
    "pruner": {"kind": "successive_halving", "min_epochs": 1, "reduction": 2},
    "budget": {"epochs": 5},
}


class Killed(Exception):
    """Stands for the death of the driver."""


def curve(order: Order, epoch: int) -> float:
    """A trial's figure after `epoch`: best near a learning rate of 1e-3."""
    height = 0.8 - 0.1 * abs(math.log10(order.params["lr"]) + 3) - 0.1 * (order.system == "linear")
    return round(height * (1 - math.exp(-(epoch + 1) / 2)), 6)


def report(order: Order, epoch: int) -> Report:
    figures = {"all": {"nDCG@10": curve(order, epoch)}}
    clock = {"seconds": 0.1, "latency_ms_p95": 1.0 + order.trial}
    record = Record(epoch=epoch, losses={}, figures=figures, clock=clock)
    checkpoint = Published(f"{order.checkpoints}/epoch-{epoch:04d}", f"{order.trial}-{epoch}")
    return Report(trial=order.trial, record=record, checkpoint=checkpoint, final=epoch == order.epochs)


class Sweep:
    """A sweep in a folder, driven as Tune would drive it with one worker; `tick` is called before every report."""

    def __init__(self, folder: Path, tick: Callable[[], None] = lambda: None, **changes: Any) -> None:
        self.folder = folder
        self.spec = Spec.model_validate({**SPEC, **changes})
        self.tick = tick
        self.error: str | None = None

    def run(self) -> replay.SweepState:
        """Go on until nothing is left to do."""
        if not (self.folder / events.FILE).exists():
            with events.Journal.create(self.folder) as journal:
                queries = {"dev": {"all": 10}}
                task = {"name": "curves", "fingerprint": "f", "queries": queries, "leaks": [], "notes": []}
                write(
                    journal,
                    "sweep_started",
                    format=events.FORMAT,
                    sweep="curves",
                    spec=self.spec.model_dump(mode="json"),
                    objectives=[str(each) for each in self.spec.objectives],
                    task=task,
                )
        journal, found = events.Journal.open(self.folder)
        with journal:
            state = replay.replay(found)
            study = SearchStudy(self.spec, state)
            conductor = Conductor(self.spec, state, journal, study, Place(Path("task"), Path("checkpoints")))
            while (order := conductor.next_order()) is not None:
                self._trial(conductor, order)
            conductor.close()
        return state

    def resumed(self) -> None:
        """Write down that a user goes on with it."""
        journal, _ = events.Journal.open(self.folder)
        with journal:
            write(journal, "sweep_resumed", spec=self.spec.model_dump(mode="json"))

    def _trial(self, conductor: Conductor, order: Order) -> None:
        epoch = -1 if order.resume is None else order.resume
        goes_on = True
        while goes_on:
            self.tick()
            epoch += 1
            failed = Report(trial=order.trial, error=self.error)
            goes_on = conductor.on_report(report(order, epoch) if self.error is None else failed)


def trials(state: replay.SweepState) -> list[dict[str, Any]]:
    """What must not depend on how often the driver died."""
    return [
        {
            "number": trial.number,
            "params": trial.params,
            "chosen": trial.chosen,
            "distributions": trial.distributions,
            "records": trial.records,
            "outcome": trial.outcome,
            "seed": trial.seed,
        }
        for trial in state.trials.values()
    ]


def test_an_undisturbed_sweep(tmp_path: Path) -> None:
    state = Sweep(tmp_path).run()
    assert state.status == "ended"
    assert len(state.trials) == 24
    outcomes = {trial.outcome for trial in state.trials.values()}
    assert outcomes == {"complete", "pruned"}
    assert state.trials[0].chosen == {"system": "linear", "lr": 0.001, "linear.heads": "shared"}
    for trial in state.trials.values():
        assert [record.epoch for record in trial.records] == list(range(len(trial.records)))
        assert ("soft_attention.hidden" in trial.chosen) == (trial.chosen.get("soft_attention.transform") == "mlp")
        assert trial.outcome != "complete" or trial.epoch == 5
    values = [row.value for row in leaderboard(state).trials]
    assert values == sorted(values, reverse=True)


def test_two_runs_give_equal_journals_but_for_the_clock(tmp_path: Path) -> None:
    for name in ("one", "two"):
        Sweep(tmp_path / name).run()
    one, two = (same(events.read(tmp_path / name)) for name in ("one", "two"))
    assert one == two


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize("pruner", ["successive_halving", "median", "hyperband", "patience", "none"])
def test_a_driver_that_dies_again_and_again_changes_nothing(tmp_path: Path, sampler: str, pruner: str) -> None:
    changes = {"search": {**SPEC["search"], "sampler": sampler}, "pruner": {"kind": pruner, "min_epochs": 1}}
    undisturbed = Sweep(tmp_path / "undisturbed", **changes).run()
    ticks = iter(range(10**6))

    def die() -> None:
        if next(ticks) % 7 == 6:
            raise Killed

    sweep = Sweep(tmp_path / "disturbed", die, **changes)
    for _ in range(1000):
        try:
            state = sweep.run()
            break
        except Killed:
            continue
    assert trials(state) == trials(undisturbed)
    kinds = [event.kind for event in events.read(tmp_path / "disturbed")]
    assert kinds.count("trial_resumed") > 5, "the driver did die"
    assert kinds.count("trial_started") == 24


def test_a_decision_that_was_journaled_but_not_carried_out(tmp_path: Path) -> None:
    undisturbed = Sweep(tmp_path / "undisturbed").run()
    path = tmp_path / "undisturbed" / events.FILE
    lines = path.read_bytes().splitlines(keepends=True)
    ends = [place for place, line in enumerate(lines) if b'"kind":"trial_ended"' in line]
    for end in ends[:6]:
        folder = tmp_path / f"cut-{end}"
        folder.mkdir()
        (folder / events.FILE).write_bytes(b"".join(lines[:end]))
        assert trials(Sweep(folder).run()) == trials(undisturbed)


@pytest.fixture
def conductor(tmp_path: Path) -> Iterator[Conductor]:
    """A conductor at the start of a sweep, with the raw floor."""
    with events.Journal.create(tmp_path) as journal:
        spec = Spec.model_validate(SPEC)
        task = {"name": "curves", "fingerprint": "f", "queries": {}, "leaks": [], "notes": []}
        started = write(journal, "sweep_started", sweep="curves", spec={}, objectives=["nDCG@10"], task=task)
        state = replay.replay([started])
        state.floors = {"raw": {"all": {"nDCG@10": 0.1}, "cold": {"nDCG@10": 0.1}}}
        study = SearchStudy(spec, state)
        conductor = Conductor(spec, state, journal, study, Place(Path("task"), Path("checkpoints")))
        yield conductor


def test_a_report_heard_twice_is_journaled_once(conductor: Conductor) -> None:
    order = conductor.next_order()
    assert order is not None
    assert conductor.on_report(report(order, 0))
    assert conductor.on_report(report(order, 0)), "a worker that died and came back tells again what it told"
    assert conductor.on_report(report(order, 1))
    again = replace(order, resume=1, digests={0: "0-0", 1: "0-1"}, best=(1, curve(order, 1)))
    assert conductor.order(0) == again
    assert not conductor.on_report(Report(trial=0, error="Diverged: the loss is not finite"))
    assert not conductor.on_report(report(order, 2)), "a closed trial stays closed"
    state = conductor.state
    assert [record.epoch for record in state.trials[0].records] == [0, 1]
    assert state.trials[0].outcome == "failed"


def test_an_interrupt_pauses_what_runs(conductor: Conductor) -> None:
    orders = [conductor.next_order(), conductor.next_order()]
    conductor.interrupt()
    assert conductor.next_order() is None
    assert orders[0] is not None and not conductor.on_report(report(orders[0], 0))
    conductor.close()
    state = conductor.state
    assert [trial.paused for trial in state.trials.values()] == [True, True]
    assert (state.status, state.reason) == ("paused", "interrupt")


def test_the_exported_study_holds_every_trial(tmp_path: Path) -> None:
    import optuna

    state = Sweep(tmp_path).run()
    spec = Spec.model_validate(SPEC)
    SearchStudy(spec, state).export(tmp_path / "optuna.db")
    study = optuna.load_study(study_name="curves", storage=f"sqlite:///{tmp_path / 'optuna.db'}")
    assert len(study.trials) == 24
    assert {trial.state.name for trial in study.trials} == {"COMPLETE", "PRUNED"}
    assert study.best_value == leaderboard(state).trials[0].value


def test_a_study_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    state = Sweep(tmp_path).run()
    spec, taken = Spec.model_validate(SPEC), tmp_path / "taken" / "optuna.db"
    (taken / "inside").mkdir(parents=True)
    with pytest.raises(SweepError, match="optuna.db cannot be written: .*Is a directory"):
        SearchStudy(spec, state).export(taken)


def test_a_pareto_search(tmp_path: Path) -> None:
    state = Sweep(tmp_path, measure=["nDCG@10", "latency_ms_p95"], pruner={"kind": "none"}).run()
    assert {trial.outcome for trial in state.trials.values()} == {"complete"}


def test_what_shows_only_beside_the_floors_is_journaled_with_the_record(conductor: Conductor) -> None:
    order = conductor.next_order()
    assert order is not None
    first, second = report(order, 0), report(order, 1)
    assert first.record is not None and second.record is not None
    first.record.figures["cold"] = {"nDCG@10": 0.1}
    second.record.figures["cold"] = {"nDCG@10": 0.01}
    conductor.on_report(first)
    conductor.on_report(second)
    named = [[each.name for each in record.diagnoses] for record in conductor.state.trials[0].records]
    assert named == [[], ["buries_new_documents"]]


@pytest.mark.parametrize("killed_at", [None, 2, 3])
def test_failures_are_counted_across_drivers(tmp_path: Path, killed_at: int | None) -> None:
    """Trials that fail the same way halt a sweep whose driver died as they do another; when mended it goes on."""
    reports = 0

    def tick() -> None:
        nonlocal reports
        reports += 1
        if reports == killed_at:
            raise Killed

    sweep = Sweep(tmp_path, tick, system="linear", space={"lr": {"log": [1e-4, 1e-2]}}, start=[])
    sweep.error = "ValueError: no"
    if killed_at is not None:
        with pytest.raises(Killed):
            sweep.run()
    state = sweep.run()
    assert (state.status, state.reason, len(state.trials)) == ("paused", "failing", SAME)
    state = sweep.run()
    assert (state.status, state.reason, len(state.trials)) == ("paused", "failing", SAME)
    sweep.resumed()
    state = sweep.run()
    assert (state.status, state.reason, len(state.trials)) == ("paused", "failing", 2 * SAME)
