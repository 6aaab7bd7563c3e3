"""The leaderboard of a state made by hand: order, floors, what stands for a trial."""

from __future__ import annotations

from typing import Any

import pytest

from nvf.journal import cold
from nvf.journal.facts import Published
from nvf.journal.leaderboard import Row, beats_floors, best_floor, best_trial, diagnoses, highest, leaderboard
from nvf.journal.replay import SweepState, apply, replay
from nvf.training.record import Record
from nvf.types import Diagnosis
from tests.journal.written import event


def state(*trials: list[float | None], objectives: tuple[str, ...] = ("nDCG@10",), **fields: Any) -> SweepState:
    """A sweep of trials with these figures at epochs 0, 1, ...; None for an epoch without one."""
    found = replay([event("sweep_started", objectives=list(objectives), **fields)])
    for number, values in enumerate(trials):
        drawn = {"params": {"lr": 0.1, "heads": 1}, "chosen": {"lr": 0.1}, "seed": number}
        apply(found, event("trial_started", trial=number, **drawn))
        found.trials[number].records = [
            Record(
                epoch=epoch,
                losses={},
                figures={} if value is None else {"all": {"nDCG@10": value}},
                clock={"latency_ms_p95": 10.0 - number},
            )
            for epoch, value in enumerate(values)
        ]
    return found


def order(found: SweepState) -> list[int]:
    return [row.trial for row in leaderboard(found).trials]


def row(found: SweepState, trial: int) -> Row:
    return next(each for each in leaderboard(found).trials if each.trial == trial)


def test_best_first_the_earlier_among_equals_and_those_without_a_figure_last() -> None:
    found = state([0.1, 0.2], [None], [0.1, 0.4], [0.1, 0.2], [])
    assert order(found) == [2, 0, 3, 1, 4]
    assert [each.trial for each in leaderboard(found).judged] == [2, 0, 3]
    assert [each.value for each in leaderboard(found).trials] == [0.4, 0.2, 0.2, None, None]
    assert order(state([0.1, 0.2], [0.1, 0.4], [0.1, 0.3], objectives=("latency_ms_p95",))) == [2, 1, 0], "less is more"


def test_the_best_trained_epoch_stands_for_a_trial() -> None:
    found = state([0.9, 0.3, 0.5, 0.5], [0.7], objectives=("nDCG@10", "latency_ms_p95"))
    trained, untrained = row(found, 0), row(found, 1)
    assert (trained.best_epoch, trained.epochs, trained.values) == (2, 3, [0.5, 10.0])
    assert (untrained.best_epoch, untrained.epochs, untrained.values) == (0, 0, [0.7, 9.0])
    assert trained.figures == {"all": {"nDCG@10": 0.5}}
    assert (trained.params, trained.settings, trained.seed) == ({"lr": 0.1}, {"lr": 0.1, "heads": 1}, 0)
    begun = row(state([]), 0)
    assert (begun.best_epoch, begun.epochs, begun.value, begun.figures) == (None, 0, None, {})


def test_a_trial_runs_is_paused_or_has_its_outcome() -> None:
    found = state([0.1], [0.1], [0.1])
    found.trials[1].paused = True
    found.trials[2].outcome, found.trials[2].error = "failed", "why"
    assert [(each.outcome, each.error) for each in (row(found, n) for n in range(3))] == [
        ("running", None),
        ("paused", None),
        ("failed", "why"),
    ]


def test_diagnoses_of_the_best_record_and_of_the_last_each_once() -> None:
    found = state([0.9, 0.5, 0.1, 0.2])
    names = {0: ["at start"], 1: ["best", "both"], 2: ["between"], 3: ["both", "last"]}
    trial = found.trials[0]
    trial.records = [
        Record(
            epoch=each.epoch,
            losses={},
            figures=each.figures,
            diagnoses=tuple(Diagnosis(name, 1.0, 0.5, "") for name in names[each.epoch]),
        )
        for each in trial.records
    ]
    assert diagnoses(found, trial) == row(found, 0).diagnoses == ["best", "both", "last"]
    assert diagnoses(found, state([]).trials[0]) == []


def test_what_beats_the_floors_lies_above_the_best_of_them() -> None:
    found = state([0.1, 0.4], [0.1, 0.3], [0.1, 0.2], [])
    assert (best_floor(found), row(found, 0).beats_floors) == (None, None)
    found.floors = {"raw": {"all": {"nDCG@10": 0.3}}, "bm25": {"all": {"nDCG@10": 0.2}}, "other": {"cold": {}}}
    found.ceilings = {"oracle": {"all": {"nDCG@10": 0.9}}}
    assert best_floor(found) == ("raw", 0.3)
    assert [row(found, number).beats_floors for number in range(4)] == [True, False, False, None]
    board = leaderboard(found)
    assert (board.floors, board.ceilings) == ({"raw": 0.3, "bm25": 0.2, "other": None}, {"oracle": 0.9})
    assert (board.floor_figures, board.ceiling_figures) == (found.floors, found.ceilings)
    assert beats_floors(found, Record(epoch=1, losses={}, figures={})) is None
    timed = state([0.1, 0.4], objectives=("latency_ms_p95",))
    timed.floors = found.floors
    assert (best_floor(timed), row(timed, 0).beats_floors) == (None, None), "a latency is compared with no floor"
    assert highest({"a": None, "b": -0.5, "c": -0.25}) == ("c", -0.25) and highest({"a": None}) is None


def test_the_head_of_the_board_is_the_best_that_has_its_checkpoint() -> None:
    found = state([0.1, 0.2], [0.1, 0.4], [0.5, 0.3, 0.2])
    assert best_trial(found) is None
    for number, epoch in ((0, 1), (1, 0), (2, 1)):
        found.trials[number].checkpoints[epoch] = Published("f", "d")
    best = best_trial(found)
    assert best is not None and best.number == 2, "the checkpoint of trial 1 is not that of its best epoch"


@pytest.mark.parametrize(
    ("objectives", "shown"),
    [(("R@5",), "R@5"), (("cold RR@10", "latency_ms_p95"), "RR@10"), (("latency_ms_p95",), "nDCG@10")],
)
def test_tables_show_the_measure_that_is_optimised(objectives: tuple[str, ...], shown: str) -> None:
    board = leaderboard(state(objectives=objectives))
    assert (board.shown, board.objectives, board.measure) == (shown, list(objectives), objectives[0])


def test_what_else_is_to_be_known_stands_in_the_notes() -> None:
    task = {"notes": ["few queries"], "queries": {"dev": {"all": 9}, "test": {"all": 4}}}
    found = state(task=task)
    found.accepted = ["torch"]
    board = leaderboard(found)
    assert board.notes == ["few queries", "gone on with though it had changed: torch"]
    assert (board.queries, board.split, board.cold_by) == ({"all": 9}, "dev", "condensed")
    outdated = leaderboard(state(cold_by=cold.OLDER))
    assert outdated.notes == [f"warning: {cold.again('small')}"] and outdated.cold_by == "whole"


def test_what_was_lived_with_is_listed() -> None:
    found = state([0.1])
    found.trials[0].faults.append(event("fault", trial=0, fault="disk_full", epoch=3, detail="no room"))  # type: ignore[arg-type]
    (fault,) = row(found, 0).faults
    assert (fault.fault, fault.epoch, fault.detail) == ("disk_full", 3, "no room")
