"""The search without training: a made-up learning curve answers every order, so hundreds of trials take seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from nvf.types import Diagnosis
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
    with conducting(tmp_path) as made:
        yield made


@contextmanager
def conducting(folder: Path, **changes: Any) -> Iterator[Conductor]:
    with events.Journal.create(folder) as journal:
        spec = Spec.model_validate({**SPEC, **changes})
        task = {"name": "curves", "fingerprint": "f", "queries": {}, "leaks": [], "notes": []}
        started = write(journal, "sweep_started", sweep="curves", spec={}, objectives=["nDCG@10"], task=task)
        state = replay.replay([started])
        state.floors = {"raw": {"all": {"nDCG@10": 0.1}, "cold": {"nDCG@10": 0.1}}}
        study = SearchStudy(spec, state)
        yield Conductor(spec, state, journal, study, Place(Path("task"), Path("checkpoints")))


def ordered(conductor: Conductor) -> Order:
    order = conductor.next_order()
    assert order is not None
    return order


def diagnosed(order: Order, epoch: int, *names: str, value: float = 0.5) -> Report:
    """A report whose record shows these diagnoses."""
    made = report(order, epoch)
    assert made.record is not None
    shown = tuple(Diagnosis(name, 1.0, 0.5, "") for name in names)
    return replace(made, record=replace(made.record, diagnoses=shown, figures={"all": {"nDCG@10": value}}))


def test_a_trial_is_stopped_by_a_diagnosis_that_the_sweep_names(tmp_path: Path) -> None:
    with conducting(tmp_path, stop=["embedding_collapse", "residual_collapse"]) as conductor:
        order = ordered(conductor)
        assert conductor.on_report(diagnosed(order, 0, "embedding_collapse")), "the untrained system stops nothing"
        assert conductor.on_report(diagnosed(order, 1, "memorisation")), "it is not named"
        assert not conductor.on_report(diagnosed(order, 2, "memorisation", "embedding_collapse"))
        trial = conductor.state.trials[0]
        assert (trial.outcome, trial.error) == ("stopped", "diagnosed: embedding_collapse")
        assert (trial.decision, trial.epoch) == ("stop", 2)
        assert ordered(conductor).trial == 1


def test_where_several_decisions_fit_the_end_comes_first_then_the_diagnosis(tmp_path: Path) -> None:
    """What would be pruned anyway is still called by what was wrong with it."""
    changes = {"system": "linear", "space": {"lr": SPEC["space"]["lr"]}, "start": [], "stop": ["memorisation"]}
    with conducting(tmp_path, **changes) as conductor:
        for _ in range(3):
            good = ordered(conductor)
            for epoch in range(6):
                conductor.on_report(diagnosed(good, epoch, *["memorisation"] * (epoch == 5)))
        low = [ordered(conductor), ordered(conductor)]
        assert not conductor.on_report(diagnosed(low[0], 1, "memorisation", value=0.1))
        assert not conductor.on_report(diagnosed(low[1], 1, value=0.1))
        outcomes = [trial.outcome for trial in conductor.state.trials.values()]
        assert outcomes == ["complete", "complete", "complete", "stopped", "pruned"]


def test_a_decision_of_a_driver_that_died_is_carried_out_by_the_next(tmp_path: Path) -> None:
    with conducting(tmp_path, stop=["memorisation"]) as conductor:
        conductor.on_report(diagnosed(ordered(conductor), 1, "memorisation"))
        spec = conductor._spec
    path = tmp_path / events.FILE
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    journal, found = events.Journal.open(tmp_path)
    with journal:
        state = replay.replay(found)
        assert (state.trials[0].outcome, state.trials[0].decision) == (None, "stop")
        study = SearchStudy(spec, state)
        Conductor(spec, state, journal, study, Place(Path("task"), Path("checkpoints")))
    assert (state.trials[0].outcome, state.trials[0].error) == ("stopped", "diagnosed: memorisation")


def test_after_an_interrupt_a_trial_goes_on_where_it_was(tmp_path: Path) -> None:
    with conducting(tmp_path) as conductor:
        orders = [ordered(conductor), ordered(conductor)]
        conductor.on_report(report(orders[0], 0))
        conductor.interrupt()
        assert not conductor.on_report(report(orders[0], 1))
        conductor.on_lost(1)
        conductor.close()
        spec = conductor._spec
    kinds = [event.kind for event in events.read(tmp_path)]
    assert kinds.count("trial_paused") == 2, "each is paused once"
    journal, found = events.Journal.open(tmp_path)
    with journal:
        found.append(write(journal, "sweep_resumed", spec=spec.model_dump(mode="json")))
        state = replay.replay(found)
        study = SearchStudy(spec, state)
        conductor = Conductor(spec, state, journal, study, Place(Path("task"), Path("checkpoints")))
        assert not conductor.on_report(report(orders[0], 2)), "it has not been ordered again"
        again = [ordered(conductor), ordered(conductor), ordered(conductor)]
        assert [(order.trial, order.resume) for order in again] == [(0, 1), (1, None), (2, None)]
        assert conductor.on_report(report(orders[0], 2)) and conductor.on_report(report(orders[1], 0))
        assert [record.epoch for record in state.trials[0].records] == [0, 1, 2]


def test_a_trial_whose_worker_is_lost_goes_on_before_any_other(conductor: Conductor) -> None:
    first, second = ordered(conductor), ordered(conductor)
    for order in (first, second):
        conductor.on_report(report(order, 0))
    conductor.on_lost(1)
    conductor.on_lost(0)
    assert [(order.trial, order.resume) for order in (ordered(conductor), ordered(conductor))] == [(0, 0), (1, 0)]
    conductor.on_report(Report(trial=0, error="Diverged: nan"))
    conductor.on_lost(0)
    assert ordered(conductor).trial == 2, "one that has ended does not"


def test_it_is_over_when_every_trial_has_an_outcome(tmp_path: Path) -> None:
    with conducting(tmp_path, search={**SPEC["search"], "trials": 2}) as conductor:
        orders = [ordered(conductor), ordered(conductor)]
        assert conductor.next_order() is None and not conductor.over, "one may still be lost and come back"
        for order in orders:
            assert not conductor.over
            conductor.on_report(Report(trial=order.trial, error="Diverged: nan"))
        assert conductor.over
        conductor.close()
        assert (conductor.state.status, conductor.state.reason) == ("ended", "trials")


@pytest.mark.parametrize(("time", "reason"), [(None, "error"), ("1h", "error"), (1e-9, "time")])
def test_a_sweep_that_did_not_come_to_its_end_says_why(tmp_path: Path, time: Any, reason: str) -> None:
    with conducting(tmp_path, budget={"epochs": 5, "time": time}) as conductor:
        assert (conductor.next_order() is None) == (reason == "time")
        conductor.close()
        assert (conductor.state.status, conductor.state.reason) == ("paused", reason)


def test_what_a_resume_relies_on_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial before its first checkpoint, its end before that is told, and the end of the sweep; records need not."""
    synced: list[tuple[str, bool]] = []
    append = events.Journal.append

    def noted(self: events.Journal, event: Any, *, sync: bool = False) -> Any:
        synced.append((event.kind, sync))
        return append(self, event, sync=sync)

    for name, interrupt in (("ended", False), ("paused", True)):
        with conducting(tmp_path / name, search={**SPEC["search"], "trials": 1}) as conductor:
            with monkeypatch.context() as patch:
                patch.setattr(events.Journal, "append", noted)
                order = ordered(conductor)
                conductor.on_report(report(order, 0))
                if interrupt:
                    conductor.interrupt()
                else:
                    conductor.on_report(Report(trial=0, error="Diverged: nan"))
                conductor.close()
    assert {kind for kind, sync in synced if sync} == {"trial_started", "trial_ended", "sweep_ended", "sweep_paused"}
    assert {kind for kind, sync in synced if not sync} == {"record", "trial_paused"}


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
