"""Optuna's samplers, made afresh for every trial, so that a resumed search draws what an undisturbed one would."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from nvf import seeding
from nvf.plugins import Table
from nvf.spec.form import Spec


def _tpe(seed: int, spec: Spec) -> BaseSampler:
    # One joint model per group of parameters that occur together: what conditional spaces need.
    return TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)


def _random(seed: int, spec: Spec) -> BaseSampler:
    return RandomSampler(seed=seed)


SAMPLERS: Table[Callable[[int, Spec], BaseSampler]] = Table("nvf.samplers", "sampler", {"tpe": _tpe, "random": _random})
"""Name -> what makes the sampler of one trial, of a seed and the sweep."""


def make(spec: Spec, trial: int) -> BaseSampler:
    """Return the sampler for one trial, seeded by the search's seed and the trial's number alone.

    Raises `UsageError` where there is none of that name, `PluginError` where a package's does not load or makes none.
    """
    seed = seeding.derive(spec.search.seed, "sampler", trial)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return SAMPLERS.make(spec.search.sampler, BaseSampler, seed, spec)
