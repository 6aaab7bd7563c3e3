"""Which trials go on to be confirmed."""

from __future__ import annotations

from typing import Any

import pytest

from nvf.errors import SweepError
from nvf.journal.replay import SweepState, TrialState, replay
from nvf.registry.finalists import choose
from nvf.training.record import Record
from nvf.types import Diagnosis
from tests.journal.written import event


def state(values: list[float], ailing: dict[int, str], **spec: Any) -> SweepState:
    """A sweep of trials with these figures; some have a diagnosis."""
    found = replay([event("sweep_started", spec=spec)])
    for number, value in enumerate(values):
        diagnoses = (Diagnosis(ailing[number], 1.0, 0.5, "ailing"),) if number in ailing else ()
        record = Record(epoch=0, losses={}, figures={"all": {"nDCG@10": value}}, diagnoses=diagnoses)
        found.trials[number] = TrialState(number, "linear", {"lr": value}, {}, {}, 0, 1, [record], outcome="complete")
    return found


def chosen(of: SweepState, *trials: int) -> list[int]:
    return [trial.number for trial in choose(of, 2, trials)]


def test_the_best_go_on(said: list[str]) -> None:
    assert chosen(state([0.1, 0.4, 0.2, 0.3], {})) == [1, 3] and not said


def test_what_the_gates_would_refuse_for_a_diagnosis_is_left_out_and_named(said: list[str]) -> None:
    assert chosen(state([0.1, 0.4, 0.2, 0.3], {1: "buries_new_documents", 0: "memorisation"})) == [3, 2]
    assert said == ["left out for what was diagnosed: 0001 (buries_new_documents); --trial 1 takes one all the same"]


def test_it_goes_on_where_it_is_named_or_the_gate_is_not_there_or_there_is_no_other(said: list[str]) -> None:
    ailing = {1: "buries_new_documents"}
    assert chosen(state([0.1, 0.4, 0.2], ailing), 1) == [1]
    assert chosen(state([0.1, 0.4, 0.2], ailing, gates={"diagnoses": False})) == [1, 2]
    assert chosen(state([0.1, 0.4], {0: "memorisation", **ailing})) == [1, 0]
    assert not said


def test_an_unknown_trial_is_refused() -> None:
    with pytest.raises(SweepError, match="has no trial 7 with a figure; those with one: 0, 1"):
        chosen(state([0.1, 0.4], {}), 7)
