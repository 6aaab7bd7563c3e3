"""Optuna's pruners, which here compare a trial only with trials of its own system."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from optuna.exceptions import ExperimentalWarning
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PatientPruner,
    SuccessiveHalvingPruner,
)
from optuna.study import Study
from optuna.trial import FrozenTrial

from nvf.plugins import Table
from nvf.spec.form import Spec

SYSTEM_ATTR = "nvf_system"


PRUNERS: Table[Callable[[Spec], BasePruner]] = Table(
    "nvf.pruners",
    "pruner",
    {
        "none": lambda spec: NopPruner(),
        "median": lambda spec: MedianPruner(n_startup_trials=4, n_warmup_steps=spec.pruner.min_epochs),
        "successive_halving": lambda spec: SuccessiveHalvingPruner(spec.pruner.min_epochs, spec.pruner.reduction),
        "hyperband": lambda spec: HyperbandPruner(spec.pruner.min_epochs, spec.budget.epochs, spec.pruner.reduction),
        "patience": lambda spec: PatientPruner(None, patience=spec.pruner.patience),
    },
)
"""Name -> what makes the pruner of a sweep."""
ALONE = (NopPruner, PatientPruner)
"""These compare a trial with no other."""


def make(spec: Spec) -> BasePruner:
    """Return the pruner that a spec asks for; raises as `nvf.sweep.sampler.make` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        found = PRUNERS.make(spec.pruner.kind, BasePruner, spec)
    return found if type(found) in ALONE else WithinSystem(found)


class WithinSystem(BasePruner):
    """A pruner that sees only the trials of one system: epochs of different systems do not mean the same."""

    def __init__(self, pruner: BasePruner) -> None:
        self._pruner = pruner

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether `trial` should end now."""
        view: Any = _SystemView(study, trial.user_attrs[SYSTEM_ATTR])
        return bool(self._pruner.prune(view, trial))


class _SystemView:
    """A study of which only one system's trials are seen."""

    def __init__(self, study: Study, system: str) -> None:
        self._study = study
        self._system = system

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    @property
    def trials(self) -> list[FrozenTrial]:
        """The system's trials."""
        return self.get_trials()

    def get_trials(self, *args: Any, **options: Any) -> list[FrozenTrial]:
        """Return the system's trials; arguments as of `optuna.Study.get_trials`."""
        trials = self._study.get_trials(*args, **options)
        return [trial for trial in trials if trial.user_attrs.get(SYSTEM_ATTR) == self._system]
