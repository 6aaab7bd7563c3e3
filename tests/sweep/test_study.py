"""The search state: what Optuna is told of trials while they run, and that a journal gives the same state again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from optuna.distributions import FloatDistribution, json_to_distribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nvf.journal import kinds
from nvf.journal.replay import apply, replay
from nvf.spec.form import Spec
from nvf.sweep.study import SearchStudy
from nvf.training.record import Record
from tests.journal.written import event

SPEC: dict[str, Any] = {
    "name": "small",
    "task": {"source": "synthetic"},
    "system": {"choice": ["linear", "soft_attention"]},
    "space": {"lr": {"log": [1e-4, 1e-2]}, "linear.heads": {"choice": ["query", "shared"]}},
    "search": {"sampler": "random", "trials": 9, "seed": 3},
    "budget": {"epochs": 9},
}


class Search:
    """A study and the journaled state beside it, as a conductor keeps both."""

    def __init__(self, **changes: Any) -> None:
        self.spec = Spec.model_validate({**SPEC, **changes})
        objectives = [str(each) for each in self.spec.objectives]
        self.state = replay([event("sweep_started", spec=self.spec.model_dump(mode="json"), objectives=objectives)])
        self.study = SearchStudy(self.spec, self.state)

    def begin(self) -> int:
        number = len(self.state.trials)
        setting, texts = self.study.ask(number)
        drawn = {"params": setting.params, "chosen": setting.chosen, "distributions": texts}
        apply(self.state, event("trial_started", trial=number, system=setting.system, **drawn))
        return number

    def report(self, number: int, epoch: int, value: float | None) -> bool:
        figures = {} if value is None else {"all": {"nDCG@10": value}}
        record = Record(epoch=epoch, losses={}, figures=figures, clock={"latency_ms_p95": 5.0})
        pruned, attrs = self.study.report(number, record)
        apply(self.state, event("record", trial=number, record=record, attrs=json.loads(json.dumps(attrs))))
        return pruned

    def end(self, number: int, outcome: kinds.Outcome) -> None:
        apply(self.state, event("trial_ended", trial=number, outcome=outcome))
        self.study.tell(self.state.trials[number])

    def run(self, *values: float | None, outcome: kinds.Outcome = "complete") -> int:
        """Run a trial over epochs 0, 1, ... to its end."""
        number = self.begin()
        for epoch, value in enumerate(values):
            self.report(number, epoch, value)
        self.end(number, outcome)
        return number

    def again(self) -> SearchStudy:
        """The study of a driver that reads the journal."""
        return SearchStudy(self.spec, self.state)


def held(study: SearchStudy) -> list[FrozenTrial]:
    return study._study.get_trials()


def told(study: SearchStudy) -> list[dict[str, Any]]:
    """What of each trial a sampler or a pruner may look at."""
    names = ("number", "state", "values", "params", "distributions", "intermediate_values", "user_attrs")
    return [{name: getattr(trial, name) for name in names} for trial in held(study)]


def test_trained_epochs_alone_are_reported() -> None:
    search = Search()
    search.run(0.9, 0.2, None, 0.4, 0.3)
    (trial,) = held(search.study)
    assert trial.intermediate_values == {1: 0.2, 3: 0.4, 4: 0.3}
    assert (trial.state, trial.values) == (TrialState.COMPLETE, [0.4]), "the best trained epoch is its value"


@pytest.mark.parametrize("pruner", ["median", "successive_halving"])
def test_the_first_trained_epoch_can_end_a_trial_and_the_untrained_never(pruner: str) -> None:
    search = Search(system="linear", space={"lr": SPEC["space"]["lr"]}, pruner={"kind": pruner, "reduction": 2})
    for _ in range(4):
        search.run(0.5, 0.6, 0.7)
    hopeless = search.begin()
    assert not search.report(hopeless, 0, 0.0)
    assert search.report(hopeless, 1, 0.1)


def test_a_setting_comes_with_its_distributions_and_those_to_try_first_come_first() -> None:
    search = Search(start=[{"system": "linear", "lr": 0.002, "linear.heads": "query"}, {"lr": 0.003}])
    first, second, third = (search.state.trials[search.begin()] for _ in range(3))
    assert first.chosen == {"system": "linear", "lr": 0.002, "linear.heads": "query"}
    assert second.chosen["lr"] == 0.003 and "system" in second.chosen, "what is not said is drawn"
    assert third.chosen["lr"] not in (0.002, 0.003)
    for trial in (first, second, third):
        assert trial.params["lr"] == trial.chosen["lr"] and trial.system == trial.chosen["system"]
        assert {*trial.distributions} == {*trial.chosen}
        assert json_to_distribution(trial.distributions["lr"]) == FloatDistribution(1e-4, 1e-2, log=True)


@pytest.mark.parametrize(
    ("outcome", "state", "values"),
    [
        ("complete", TrialState.COMPLETE, [0.4]),
        ("pruned", TrialState.PRUNED, [0.3]),
        ("stopped", TrialState.PRUNED, [0.3]),
        ("infeasible", TrialState.FAIL, None),
        ("failed", TrialState.FAIL, None),
    ],
)
def test_an_outcome_is_optunas_state_live_and_from_the_journal(
    outcome: kinds.Outcome, state: TrialState, values: list[float] | None
) -> None:
    search = Search()
    search.run(0.9, 0.2, 0.4, 0.3, outcome=outcome)
    assert [(trial.state, trial.values) for trial in held(search.study)] == [(state, values)]
    assert told(search.again()) == told(search.study)


def test_a_trial_that_has_no_figure_fails_in_the_eyes_of_the_search() -> None:
    search = Search()
    search.run(None, None)
    assert [(trial.state, trial.values) for trial in held(search.study)] == [(TrialState.FAIL, None)]
    assert told(search.again()) == told(search.study)


def test_a_search_of_several_objectives_knows_their_directions_and_prunes_nothing() -> None:
    search = Search(measure=["nDCG@10", "latency_ms_p95"])
    assert search.study._study.directions == [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
    search.run(0.1, 0.5, 0.3)
    (trial,) = held(search.study)
    assert (trial.values, trial.intermediate_values) == ([0.5, 5.0], {})
    assert told(search.again()) == told(search.study)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_driver_that_goes_on_knows_draws_and_prunes_as_the_one_before(sampler: str) -> None:
    kind = {"kind": "successive_halving", "min_epochs": 1, "reduction": 2}
    search = Search(pruner=kind, search={**SPEC["search"], "sampler": sampler})
    for place, outcome in enumerate(("complete", "pruned", "failed", "stopped", "complete", "complete")):
        search.run(0.1, 0.2 + place / 50, 0.3 + place / 50, outcome=outcome)  # type: ignore[arg-type]
    running = search.begin()
    search.report(running, 0, 0.1)
    search.report(running, 1, 0.25)
    other = search.again()
    assert told(other) == told(search.study)
    assert [trial.system_attrs for trial in held(other) if trial.state.is_finished()] == [
        trial.attrs for trial in search.state.trials.values() if trial.outcome
    ], "the pruner's notes are there"
    record = Record(epoch=2, losses={}, figures={"all": {"nDCG@10": 0.26}})
    assert other.report(running, record) == search.study.report(running, record)
    assert other.ask(running + 1) == search.study.ask(running + 1)


def test_notes_on_how_a_setting_was_drawn_are_not_the_pruners() -> None:
    search = Search(start=[{"system": "linear", "lr": 0.002}], search={**SPEC["search"], "sampler": "tpe"})
    number = search.begin()
    search.report(number, 0, 0.1)
    assert held(search.study)[0].system_attrs and search.state.trials[number].attrs == {}
