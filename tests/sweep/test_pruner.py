"""nvf's own pruners: from which epoch on they end a trial, and that they compare it with its own system alone."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from nvf.spec.form import Spec
from nvf.sweep import pruner


def study(**options: Any) -> optuna.Study:
    spec = {"name": "s", "task": {"source": "synthetic"}, "system": "linear", "pruner": options}
    made = pruner.make(Spec.model_validate({**spec, "budget": {"epochs": 9}}))
    return optuna.create_study(direction="maximize", pruner=made)


def pruned(of: optuna.Study, system: str, *values: float) -> int | None:
    """Report values of epochs 1, 2, ...; return the epoch at which the trial is to end, or None."""
    trial = of.ask()
    trial.set_user_attr(pruner.SYSTEM_ATTR, system)
    for epoch, value in enumerate(values, 1):
        trial.report(value, epoch)
        if trial.should_prune():
            of.tell(trial, state=TrialState.PRUNED)
            return epoch
    of.tell(trial, max(values))
    return None


GOOD, BAD = [0.5 + epoch / 100 for epoch in range(9)], [0.1] * 9


@pytest.mark.parametrize(
    ("kind", "least", "epoch"),
    [
        ("median", 1, 1),
        ("median", 3, 3),
        ("successive_halving", 1, 1),
        ("successive_halving", 2, 2),
        ("hyperband", 9, 9),
        ("none", 1, None),
    ],
)
def test_a_hopeless_trial_ends_from_the_epoch_asked_for(kind: str, least: int, epoch: int | None) -> None:
    of = study(kind=kind, min_epochs=least, reduction=2)
    assert [pruned(of, "linear", *GOOD) for _ in range(4)] == [None] * 4
    assert pruned(of, "linear", *BAD) == epoch


@pytest.mark.parametrize("kind", ["median", "successive_halving"])
def test_the_trials_of_another_system_end_none(kind: str) -> None:
    of = study(kind=kind)
    for _ in range(4):
        pruned(of, "two_stage", *GOOD)
    assert pruned(of, "linear", *BAD) is None
    for _ in range(4):
        pruned(of, "linear", *GOOD)
    assert pruned(of, "linear", *BAD) == 1


@pytest.mark.parametrize("patience", [1, 3])
def test_patience_ends_what_does_not_get_better(patience: int) -> None:
    of = study(kind="patience", patience=patience)
    assert pruned(of, "linear", *GOOD) is None
    assert pruned(of, "linear", 0.1, 0.3, *[0.2] * 7) == 2 + patience + 1


def test_the_reduction_is_how_many_compete_for_a_place() -> None:
    """By successive halving a half, or a fourth, of those that came to a rung go on from it, and the best always."""
    for reduction, ends in ((2, [None, None, 1, None, 1]), (4, [None, None, 1, 1, 1])):
        of = study(kind="successive_halving", reduction=reduction)
        assert [pruned(of, "linear", value) for value in (0.5, 0.6, 0.4, 0.58, 0.3)] == ends, reduction
