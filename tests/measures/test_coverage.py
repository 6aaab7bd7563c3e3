"""Do intervals hold the true difference as often as they say, and does the number of queries decide as often?

Differences are drawn of query, training and both, by queries that differ as nDCG@10 does: half of them not at all, the
others by more where they gain than where they lose. Their deviation over the queries is that of a trained head beside
raw vectors.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from nvf.measures.comparison import ALPHA, POWER, Comparison
from nvf.measures.significance import compare
from nvf.types import FloatArray

OF_QUERIES, OF_BOTH = 0.13, 0.04
"""Deviation of a query's difference over queries, and of what a query and a training have of their own."""
MEAN = 0.02


def drawn(
    rng: np.random.Generator, queries: int, seeds: int, of_seeds: float, *, skewed: bool, there: float = 1.0
) -> FloatArray:
    """(S, Q) differences with the mean `MEAN`, NaN but for the share `there`."""
    by_query = rng.normal(0, 1, queries)
    if skewed:
        gains = rng.exponential(2, queries) * (rng.random(queries) < 0.3) - 0.6
        losses = rng.exponential(1, queries) * (rng.random(queries) < 0.2) - 0.2
        by_query = (gains - losses) / sqrt(0.3 * 8 - 0.36 + 0.2 * 2 - 0.04)
    found = (
        MEAN + OF_QUERIES * by_query + rng.normal(0, of_seeds, (seeds, 1)) + rng.normal(0, OF_BOTH, (seeds, queries))
    )
    return np.where(rng.random((seeds, queries)) < there, found, np.nan)


def covered(times: int, *args: float, alone: bool = False, **options: float) -> float:
    """The share of intervals that hold the mean; `alone`: of the mean over the trainings, as one figure a query."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(times):
        differences = drawn(rng, *args, **options)  # type: ignore[arg-type]
        line = compare(differences.mean(axis=0) if alone else differences, np.zeros(differences.shape[1]))
        held += line.low <= MEAN <= line.high
    return held / times


@pytest.mark.slow
@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_cover_queries_and_seeds(seeds: int, skewed: bool) -> None:
    """600 queries, and a deviation of 0.008 between seeds: an interval over the queries alone is far too narrow."""
    assert 0.93 <= covered(1500, 600, seeds, 0.008, skewed=skewed) <= 0.97
    assert covered(500, 600, seeds, 0.008, skewed=skewed, alone=True) < {3: 0.9, 5: 0.93}[seeds]


@pytest.mark.slow
@pytest.mark.parametrize("of_seeds", [0.0, 0.003, 0.008, 0.02])
@pytest.mark.parametrize("queries", [100, 300, 600])
def test_intervals_cover_whatever_the_seeds_do(queries: int, of_seeds: float) -> None:
    """Three seeds with a deviation of 0.02 over 600 queries are the worst: the seeds' variance is all there is."""
    assert 0.90 <= covered(400, queries, 3, of_seeds, skewed=True) <= 0.985
    assert 0.92 <= covered(400, queries, 5, of_seeds, skewed=True) <= 0.985


@pytest.mark.slow
@pytest.mark.parametrize("there", [0.15, 0.5])
def test_intervals_cover_where_a_draw_has_some_of_the_queries_only(there: float) -> None:
    """As with cold documents: each draw leaves other queries with something to find."""
    assert 0.93 <= covered(600, 300, 5, 0.008, skewed=False, there=there) <= 0.985


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "of_seeds"), [(1, 0.0), (5, 0.0), (5, 0.004)])
def test_as_many_queries_as_are_named_decide_in_four_of_five_repetitions(seeds: int, of_seeds: float) -> None:
    """200 queries do not decide over a true gain of a half interval; as many as are named then do."""
    queries = 200
    by_queries, by_seeds = (OF_QUERIES**2 + OF_BOTH**2 / seeds) / queries, of_seeds**2 / seeds
    half = stats.norm.isf(ALPHA / 2) * sqrt(by_queries + by_seeds)
    gain, share = half / 1.5, by_seeds / (by_queries + by_seeds)
    named = Comparison(queries, gain, gain - half, gain + half, 0.2, seeds, share).needed(0.0)
    assert named is not None
    rng, decided = np.random.default_rng(1), 0
    for _ in range(600):
        differences = drawn(rng, named, seeds, of_seeds, skewed=True) - MEAN + gain
        decided += compare(differences, np.zeros(named)).outcome() == "better"
    assert decided / 600 == pytest.approx(POWER, abs=0.06)
