"""Optuna's samplers, made afresh for every trial, so that a resumed search draws what an undisturbed one would."""

from __future__ import annotations

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from nvf import seeding
from nvf.spec.form import Search

warnings.filterwarnings("ignore", category=ExperimentalWarning)


def make(search: Search, trial: int) -> BaseSampler:
    """Return the sampler for one trial, seeded by the search's seed and the trial's number alone."""
    seed = seeding.derive(search.seed, "sampler", trial)
    if search.sampler == "random":
        return RandomSampler(seed=seed)
    # One joint model per group of parameters that occur together: what conditional spaces need.
    return TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)
