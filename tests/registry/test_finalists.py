"""Which trials go on to be confirmed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nvf.errors import SweepError
from nvf.journal.facts import Part
from nvf.journal.replay import SweepState, TrialState, replay
from nvf.registry.finalists import choose, order, plan
from nvf.training.record import Record
from nvf.types import Diagnosis, Figures
from tests.journal.written import event


def figures(value: float) -> Figures:
    return {"all": {"nDCG@10": value}, "cold": {"R@5": value}}


def state(values: list[float], ailing: dict[int, str], **spec: Any) -> SweepState:
    """A sweep of trials with these figures; some have a diagnosis."""
    found = replay([event("sweep_started", spec=spec, objectives=[spec.get("measure", "nDCG@10")])])
    for number, value in enumerate(values):
        diagnoses = (Diagnosis(ailing[number], 1.0, 0.5, "ailing"),) if number in ailing else ()
        record = Record(epoch=0, losses={}, figures=figures(value), diagnoses=diagnoses)
        found.trials[number] = TrialState(number, "linear", {"lr": value}, {}, {}, 0, 1, [record], outcome="complete")
    return found


def chosen(of: SweepState, *trials: int, top: int = 2) -> list[int]:
    return [trial.number for trial in choose(of, top, trials)]


def test_the_best_go_on(said: list[str]) -> None:
    assert chosen(state([0.1, 0.4, 0.2, 0.3], {})) == [1, 3] and not said


def test_what_the_gates_would_refuse_for_a_diagnosis_is_left_out_and_named(said: list[str]) -> None:
    assert chosen(state([0.1, 0.4, 0.2, 0.3], {1: "buries_new_documents", 0: "memorisation"})) == [3, 2]
    assert said == ["left out for what was diagnosed: 0001 (buries_new_documents); --trial 1 takes one all the same"]


@pytest.mark.parametrize(
    ("top", "best", "left_out"),
    [(1, [3], ["0001"]), (2, [3, 0], ["0001"]), (3, [3, 0, 2], ["0001", "0005"]), (9, [3, 0, 2, 4], ["0001", "0005"])],
)
def test_those_are_named_that_the_last_finalist_was_taken_before(
    said: list[str], top: int, best: list[int], left_out: list[str]
) -> None:
    found = state([0.4, 0.6, 0.2, 0.5, 0.1, 0.3, 0.05], {1: "memorisation", 5: "memorisation", 6: "memorisation"})
    assert chosen(found, top=top) == best
    names = ", ".join(f"{number} (memorisation)" for number in left_out)
    assert said == [f"left out for what was diagnosed: {names}; --trial 1 takes one all the same"]


def test_a_setting_goes_on_once(said: list[str]) -> None:
    found = state([0.1, 0.4, 0.2, 0.3], {})
    found.trials[3].params = found.trials[1].params
    assert chosen(found) == [1, 2] and chosen(found, 3, 1, 0) == [3, 0]
    found.trials[3].system = "memory"
    assert chosen(found) == [1, 3], "of another system it is another setting"


def test_where_no_trial_has_a_figure_there_is_nothing_to_confirm() -> None:
    with pytest.raises(SweepError, match="no trial of sweep 'small' has a figure on dev"):
        chosen(state([], {}))


def planned(cold: float, epochs: list[int], seeds: int = 3) -> list[Part]:
    found = state([0.1] * len(epochs), {}, cold=cold)
    for trial, epoch in zip(found.trials.values(), epochs, strict=True):
        trial.records = [Record(epoch=each, losses={}, figures={}) for each in range(epoch + 1)]
    return plan(found, [*found.trials.values()], seeds)


def test_every_finalist_is_trained_over_the_same_seeds_and_draws() -> None:
    """Twice each: on all judgements, and with a share withheld that is another one for each seed."""
    parts = planned(0.2, [4, 4])
    assert [(part.trial, part.withheld, part.place) for part in parts] == [
        (trial, withheld, place) for trial in (0, 1) for withheld in (False, True) for place in range(3)
    ]
    own = [part for part in parts if part.trial == 0]
    assert own == [replace(part, trial=0) for part in parts if part.trial == 1]
    assert [part.seed for part in own[:3]] == [part.seed for part in own[3:]]
    assert all(part.cold_seed is None for part in own[:3])
    drawn = [part.cold_seed for part in own[3:]]
    assert len({part.seed for part in own}) == len({*drawn}) == 3 and None not in drawn


def test_what_is_not_trained_needs_one_training_on_all_judgements() -> None:
    assert [(part.trial, part.withheld) for part in planned(0.2, [0, 1], 2)] == [
        *[(0, False), (0, True), (0, True)],
        *[(1, False), (1, False), (1, True), (1, True)],
    ]
    assert [part.withheld for part in planned(0.0, [0, 2], 2)] == [False] * 3, "no share is withheld"


def test_a_training_is_without_the_documents_that_judge_it() -> None:
    """The draw that it is told is its own, and the trainings on all judgements are told of none."""
    found = state([0.1, 0.4], {}, cold=0.3, measure="cold R@5", resources={"cpu": 2, "gpu": 0.5})
    orders = {}
    for part in plan(found, [*found.trials.values()], 2):
        told = order(part, found, Path("snapshot"), Path("confirmation"))
        assert (told.trial, told.seed, told.epochs) == (part.trial, part.seed, 1)
        assert told.params == found.trials[part.trial].settings and not told.halved and (told.cpu, told.gpu) == (2, 0.5)
        assert (told.cold, told.cold_seed) == ((0.3, part.cold_seed) if part.withheld else (0.0, 0))
        assert told.objective == ("cold R@5" if part.withheld else "R@5"), "all documents are there"
        orders[told.checkpoints] = told
    assert len(orders) == 6 and "confirmation/trial-0001/withheld-1" in orders
    assert len({told.cold_seed for told in orders.values()}) == 3


def test_it_goes_on_where_it_is_named_or_the_gate_is_not_there_or_there_is_no_other(said: list[str]) -> None:
    ailing = {1: "buries_new_documents"}
    assert chosen(state([0.1, 0.4, 0.2], ailing), 1) == [1]
    assert chosen(state([0.1, 0.4, 0.2], ailing, gates={"diagnoses": False})) == [1, 2]
    assert chosen(state([0.1, 0.4], {0: "memorisation", **ailing})) == [1, 0]
    assert not said


def test_an_unknown_trial_is_refused() -> None:
    with pytest.raises(SweepError, match="has no trial 7 with a figure; those with one: 0, 1"):
        chosen(state([0.1, 0.4], {}), 7)
