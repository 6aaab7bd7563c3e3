"""Diagnoses beside the floors and the epochs before, and which of them end a trial."""

from __future__ import annotations

from nvf.journal import cold
from nvf.journal.replay import SweepState, TrialState, replay
from nvf.sweep.beside import beside, stopping
from nvf.training.record import Record
from nvf.types import Diagnosis
from tests.journal.written import event

RAW = {"raw": {"all": {"R@5": 0.3}, "cold": {"R@5": 0.3}}}
BURIES, MISLEADS = "buries_new_documents", "loss_misleads"


def state(objectives: tuple[str, ...] = ("R@5",), **fields: object) -> SweepState:
    found = replay([event("sweep_started", objectives=list(objectives), **fields)])
    found.floors = RAW
    return found


def record(epoch: int, all_: float, cold_: float = 0.3, loss: float | None = None) -> Record:
    held_out = {} if loss is None else {"one": loss / 2, "other": loss / 2}
    return Record(epoch=epoch, losses={}, figures={"all": {"R@5": all_}, "cold": {"R@5": cold_}}, held_out=held_out)


def names(found: SweepState, *records: Record) -> list[str]:
    *before, last = records
    trial = TrialState(0, "linear", {}, {}, {}, 0, 9, list(before))
    return [each.name for each in beside(found, trial, last)]


def test_new_documents_that_lie_under_the_raw_encoders() -> None:
    assert names(state(), record(1, 0.5, 0.1)) == [BURIES]
    assert names(state(), record(1, 0.5, 0.3)) == []
    assert names(state(("latency_ms_p95", "R@5")), record(1, 0.5, 0.1)) == [BURIES], "by the first quality"
    assert names(state(("latency_ms_p95",)), record(1, 0.5, 0.1)) == []
    assert names(state(cold_by=cold.OLDER), record(1, 0.5, 0.1)) == [], "cold figures by an older rule say nothing"
    without = state()
    without.floors = {"bm25": RAW["raw"]}
    assert names(without, record(1, 0.5, 0.1)) == []


def test_a_loss_that_falls_while_the_figure_gets_worse() -> None:
    history = [record(0, 0.3, loss=2.0), record(1, 0.5, loss=1.5), record(2, 0.2, loss=1.2)]
    assert names(state(), *history) == [MISLEADS]
    assert names(state(), *history[:2], record(2, 0.2, loss=1.6)) == [], "the loss tells"
    for place in range(3):
        some = [*history]
        some[place] = record(place, some[place].figures["all"]["R@5"])
        assert names(state(), *some) == [], "an epoch without a held-out loss is not passed over"
        some[place] = record(place, some[place].figures["all"]["R@5"], loss=float("inf"))
        assert names(state(), *some) == []


def test_only_what_is_named_of_a_trained_epoch_ends_a_trial() -> None:
    shown = tuple(Diagnosis(name, 1.0, 0.5, "") for name in ("one", "two", "three"))
    trained, untrained = (Record(epoch=epoch, losses={}, figures={}, diagnoses=shown) for epoch in (1, 0))
    assert stopping(trained, ("three", "four", "one")) == "three, one"
    assert stopping(trained, ("four",)) == stopping(trained, ()) == stopping(untrained, ("one",)) == ""
