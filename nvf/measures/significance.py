"""Is one ranking better than another? Paired, query by query: an interval, a test, and a correction for many tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from nvf import seeding
from nvf.measures.comparison import Comparison
from nvf.types import FloatArray

LEVEL = 0.95
RESAMPLES, RESAMPLES_OF_MANY, MANY = 9999, 1999, 2000
"""How often is drawn, and how often where there are more than `MANY` queries, whose mean is nearly normal anyway."""
HELD = 4_000_000
"""How many drawn values are held at once (32 MB)."""


def compare(ours: FloatArray, theirs: FloatArray, *seed: int | str) -> Comparison:
    """Compare two systems by their figures (Q,) on the same queries; the draws derive from `seed`.

    Where no query differs, the interval is [0, 0] and p is 1. A single query has no interval: it is [-inf, inf].

    Notes
    -----
    Which test: Smucker, Allan and Carterette, A Comparison of Statistical Significance Tests for Information Retrieval
    Evaluation, CIKM 2007.
    """
    differences = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    count, mean = len(differences), float(differences.mean())
    if not differences.any():
        return Comparison(count, 0.0, 0.0, 0.0, 1.0)
    if count == 1:
        return Comparison(count, mean, -np.inf, np.inf, 1.0)
    draws = RESAMPLES if count <= MANY else RESAMPLES_OF_MANY
    batch = max(1, HELD // count)
    interval = stats.bootstrap(
        (differences,),
        np.mean,
        confidence_level=LEVEL,
        n_resamples=draws,
        batch=batch,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(seeding.derive("bootstrap", *seed)),
    ).confidence_interval
    rng = np.random.default_rng(seeding.derive("randomisation", *seed))
    # the signs are what is random; as a statistic of them, the test is one matrix product
    test = stats.monte_carlo_test(
        np.ones(count),
        rvs=lambda size: rng.choice(np.array([-1.0, 1.0]), size=size),
        statistic=lambda signs, axis=-1: signs @ differences / count,
        n_resamples=draws,
        batch=batch,
        vectorized=True,
        alternative="two-sided",
    )
    # scipy doubles the smaller tail, which may exceed 1 by a draw
    return Comparison(count, mean, float(interval.low), float(interval.high), min(1.0, float(test.pvalue)))


def holm(ps: Sequence[float]) -> list[float]:
    """Return p values adjusted for having made all these tests (Holm, 1979), in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(ps, kind="stable")
    adjusted, highest = [0.0] * len(ps), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - place) * ps[index]))
        adjusted[index] = highest
    return adjusted
