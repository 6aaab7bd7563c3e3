"""Settings where a Gaussian process expects the most."""

from __future__ import annotations

from optuna.samplers import BaseSampler, GPSampler

from nvf.spec.form import Spec


def gp(seed: int, spec: Spec) -> BaseSampler:
    """Return the sampler of one trial, which draws from the seed and from what the study holds, and keeps nothing."""
    return GPSampler(seed=seed)
