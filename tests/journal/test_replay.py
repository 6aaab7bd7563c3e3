"""The fold, event by event: what the state says after each, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from nvf.errors import JournalError
from nvf.journal import cold
from nvf.journal.facts import Provenance, Published
from nvf.journal.kinds import Event
from nvf.journal.replay import SweepState, apply, replay
from nvf.measures.objective import Objective
from tests.journal.written import event

STARTED = event("sweep_started")
TRIAL = event("trial_started", trial=0, params={"lr": 0.1, "batch_size": 64}, chosen={"lr": 0.1}, seed=7, epochs=5)


def record(epoch: int, value: float | None = None, **fields: Any) -> Event:
    figures = {} if value is None else {"all": {"nDCG@10": value}}
    return event("record", trial=0, record={"epoch": epoch, "figures": figures}, **fields)


def after(*events: Event) -> SweepState:
    return replay([STARTED, *events])


@pytest.mark.parametrize("events", [[], [TRIAL], [TRIAL, STARTED]])
def test_a_journal_begins_with_a_sweep(events: list[Event]) -> None:
    with pytest.raises(JournalError, match="died before it began"):
        replay(events)


def test_a_sweep_that_began() -> None:
    state = after()
    assert (state.name, state.status, state.reason, state.error) == ("small", "running", "", "")
    assert (state.trials, state.finished, state.accepted, state.ended) == ({}, 0, [], [])
    assert state.ground == Provenance(fingerprint="f00d") and state.spec.name == "small"


def test_floors_and_ceilings_keep_their_names() -> None:
    low, high = {"raw": {"all": {"R@5": 0.1}}}, {"oracle": {"all": {"R@5": 0.9}}}
    state = after(event("floors", floors=low, ceilings=high))
    assert (state.floors, state.ceilings) == (low, high)


def test_a_trial_from_its_start_to_its_end() -> None:
    published = [Published(f"epoch-{epoch}", f"d{epoch}") for epoch in (0, 1)]
    events = [
        TRIAL,
        record(0, 0.5, checkpoint=published[0], attrs={"rung": 0}),
        record(1, 0.4, checkpoint=published[1], attrs={"rung": 1}),
        record(2, 0.3, checkpoint=None, decision="complete"),
    ]
    (trial,) = after(*events[:1]).trials.values()
    assert (trial.number, trial.system, trial.seed, trial.epochs) == (0, "linear", 7, 5)
    assert (trial.params, trial.chosen) == ({"lr": 0.1, "batch_size": 64}, {"lr": 0.1})
    assert (trial.epoch, trial.outcome, trial.paused, trial.decision) == (-1, None, False, "continue")
    assert after(*events[:3]).trials[0].attrs == {"rung": 1}
    (trial,) = after(*events).trials.values()
    assert [each.epoch for each in trial.records] == [0, 1, 2] and trial.epoch == 2
    assert trial.checkpoints == dict(enumerate(published)), "the third epoch had no room for one"
    assert (trial.decision, trial.attrs, trial.outcome) == ("complete", {}, None)
    best = trial.best(Objective.parse("nDCG@10"))
    assert best is not None and best.epoch == 1, "the untrained system stands for no trial that has trained"
    state = after(*events, event("trial_ended", trial=0, outcome="stopped", error="diagnosed: x"))
    (trial,) = state.trials.values()
    assert (trial.outcome, trial.error, state.finished, state.ended) == ("stopped", "diagnosed: x", 1, [0])
    apply(state, event("checkpoints_deleted", trial=0))
    assert trial.checkpoints == {} and len(trial.records) == 3


def test_a_trial_that_is_interrupted_waits_and_goes_on() -> None:
    state = after(TRIAL, record(0), event("trial_paused", trial=0))
    trial = state.trials[0]
    assert trial.paused and state.finished == 0
    apply(state, event("trial_resumed", trial=0, epoch=0))
    assert not trial.paused
    apply(state, event("trial_paused", trial=0))
    apply(state, event("trial_ended", trial=0, outcome="failed", error="lost"))
    assert not trial.paused and trial.outcome == "failed"


def test_what_was_lived_with_changes_what_it_goes_on_with_alone() -> None:
    half = event("fault", trial=0, fault="out_of_memory", epoch=1, detail="half", params={"batch_size": 32})
    lost = event("fault", trial=0, fault="worker_lost", epoch=2, detail="gone")
    (trial,) = after(TRIAL, half, lost).trials.values()
    assert trial.settings == {"lr": 0.1, "batch_size": 32}
    assert (trial.params, trial.changed) == ({"lr": 0.1, "batch_size": 64}, {"batch_size": 32})
    assert [(each.fault, each.epoch) for each in trial.faults] == [("out_of_memory", 1), ("worker_lost", 2)]


@pytest.mark.parametrize(("reason", "ended"), [("failing", []), ("interrupt", [0]), ("time", [0])])
def test_a_sweep_that_paused_goes_on_with_what_was_changed(reason: str, ended: list[int]) -> None:
    """Only where trials had failed the same way are they counted anew."""
    state = after(TRIAL, event("trial_ended", trial=0, outcome="failed", error="e"))
    apply(state, event("sweep_paused", reason=reason, error="three the same"))
    assert (state.status, state.reason, state.error, state.ended) == ("paused", reason, "three the same", [0])
    spec = {"name": "small", "task": {"source": "synthetic"}, "system": "linear", "search": {"trials": 77}}
    apply(state, event("sweep_resumed", spec=spec, accepted=["nvf"], ground={"fingerprint": "new"}))
    assert (state.status, state.reason, state.error, state.ended) == ("running", "", "", ended)
    assert (state.spec.search.trials, state.started.spec.search.trials) == (77, 20)
    apply(state, event("sweep_paused", reason="time"))
    assert state.error == ""
    apply(state, event("sweep_resumed", spec=spec, accepted=["torch"]))
    assert (state.accepted, state.ground.fingerprint) == (["nvf", "torch"], "new")
    apply(state, event("sweep_ended", reason="trials"))
    assert (state.status, state.reason) == ("ended", "trials")


@pytest.mark.parametrize(
    ("objectives", "measure"),
    [
        (["nDCG@10"], "nDCG@10"),
        (["latency_ms_p95", "cold R@5", "nDCG@10"], "cold R@5"),
        (["latency_ms_p50"], None),
    ],
)
def test_the_measure_is_the_first_quality(objectives: list[str], measure: str | None) -> None:
    state = replay([event("sweep_started", objectives=objectives)])
    assert [str(each) for each in state.objectives] == objectives
    assert (state.measure and str(state.measure)) == measure


@pytest.mark.parametrize(
    ("share", "rule", "outdated"), [(0.2, cold.RULE, False), (0.2, cold.OLDER, True), (0, cold.OLDER, False)]
)
def test_cold_figures_are_outdated_where_there_are_some_by_another_rule(
    share: float, rule: str, outdated: bool
) -> None:
    assert replay([event("sweep_started", spec={"cold": share}, cold_by=rule)]).outdated_cold is outdated


def test_confirmations_and_promotions_in_their_order() -> None:
    state = after(TRIAL)
    for number in (1, 2):
        apply(state, event("confirmation_started", confirmation=number, finalists=[0], seeds=3, cold_by=cold.RULE))
    apply(state, event("test_opened", confirmation=2, times=1, finalists=[0]))
    assert [(each.number, each.opened) for each in state.confirmations] == [(1, False), (2, True)]
    apply(state, event("promoted", trial=0, model="m", version=1, alias="champion"))
    assert [(each.model, each.version) for each in state.promotions] == [("m", 1)]
    assert state.trials == after(TRIAL).trials and state.status == "running"
