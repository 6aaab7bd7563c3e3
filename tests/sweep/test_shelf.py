"""Which checkpoints stay: by hand, for trials of one figure or two."""

from __future__ import annotations

from typing import Any

import pytest

from nvf.journal.facts import Published
from nvf.journal.replay import SweepState, TrialState, replay
from nvf.measures.objective import Objective
from nvf.spec.form import Checkpoints
from nvf.sweep.shelf import best_epoch, live, occupied, surplus
from nvf.training.record import Record
from tests.journal.written import event

QUALITY = Objective.parse("nDCG@10")


def trial(
    number: int, values: list[float], outcome: Any = "complete", held: Any = None, latency: float = 1
) -> TrialState:
    """A trial with these figures; checkpoints of 10 bytes and the epoch are there of the epochs `held`, or of all."""
    records = [
        Record(epoch=epoch, losses={}, figures={"all": {"nDCG@10": value}}, clock={"latency_ms_p95": latency})
        for epoch, value in enumerate(values)
    ]
    epochs = range(len(values)) if held is None else held
    checkpoints = {epoch: Published(f"epoch-{epoch}", "d", 10 + epoch) for epoch in epochs}
    return TrialState(number, "linear", {}, {}, {}, 0, 9, records, checkpoints, outcome)


def state(*trials: TrialState, objectives: tuple[str, ...] = ("nDCG@10",)) -> SweepState:
    found = replay([event("sweep_started", objectives=list(objectives))])
    found.trials = {each.number: each for each in trials}
    return found


def test_a_worker_keeps_the_last_three_and_the_best() -> None:
    assert live(trial(0, [0.9, 0.5, 0.1, 0.2, 0.3, 0.4]), QUALITY) == [1, 3, 4, 5]
    assert live(trial(0, [0.9, 0.1, 0.2, 0.3, 0.5, 0.4]), QUALITY) == [3, 4, 5]
    assert live(trial(0, [0.9]), QUALITY) == [0] and live(trial(0, []), QUALITY) == []
    assert live(trial(0, [0.9, 0.5, 0.1, 0.2, 0.3], held=[2, 3]), QUALITY) == [2, 3]


def test_what_stands_for_a_trial_is_its_best_epoch_where_that_was_published() -> None:
    assert best_epoch(trial(0, [0.9, 0.5, 0.6]), QUALITY) == 2
    assert best_epoch(trial(0, [0.9, 0.5, 0.6], held=[0, 1]), QUALITY) is None
    assert best_epoch(trial(0, []), QUALITY) is None


def test_the_worst_go_first_and_the_best_stay() -> None:
    found = state(*(trial(number, [0.0, value]) for number, value in enumerate((0.3, 0.1, 0.5, 0.1, 0.4))))
    assert surplus(found, Checkpoints(keep=5)) == []
    assert surplus(found, Checkpoints(keep=2)) == [3, 1, 0], "among equals the later one is the worse"
    assert surplus(found, Checkpoints(keep=1)) == [3, 1, 0, 4]


def test_only_ended_trials_that_have_checkpoints_go() -> None:
    found = state(
        trial(0, [0, 0.5]), trial(1, [0, 0.1], None), trial(2, [0, 0.2], held=[]), trial(3, [0, 0.3], "pruned")
    )
    assert surplus(found, Checkpoints(keep=1)) == [3]


@pytest.mark.parametrize(("limit", "gone"), [(66, []), (65, [1]), (55, [1]), (54, [1, 0]), (43, [1, 0]), (1, [1, 0])])
def test_bytes_are_those_of_the_best_epochs_and_of_what_runs(limit: int, gone: list[int]) -> None:
    """Ended: epoch 1 of three trials, 11 bytes each; running: epochs 0 to 2, 10 + 11 + 12 bytes."""
    ended = [trial(number, [0, value]) for number, value in enumerate((0.3, 0.1, 0.5))]
    found = state(*ended, trial(3, [0, 0.1, 0.2], None))
    assert occupied(found) == 66 and occupied(found, ended[:1]) == 44
    assert surplus(found, Checkpoints(keep=5, bytes=limit)) == gone


def test_a_search_of_two_objectives_keeps_its_front() -> None:
    """Trial 1 is the best, 0 faster; 2 is dominated by both, 3 by 0 alone, and 4 equals 0."""
    points = [(0.3, 1.0), (0.5, 2.0), (0.2, 3.0), (0.3, 1.5), (0.3, 1.0)]
    trials = [trial(number, [0, value], latency=latency) for number, (value, latency) in enumerate(points)]
    found = state(*trials, objectives=("nDCG@10", "latency_ms_p95"))
    assert surplus(found, Checkpoints(keep=1)) == [2, 3]
    assert surplus(found, Checkpoints(keep=3)) == [2], "keep counts what is not of the front, too"
    assert surplus(state(*trials), Checkpoints(keep=1)) == [2, 4, 3, 0]
