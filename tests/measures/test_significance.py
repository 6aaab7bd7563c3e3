"""Comparisons by hand and beside other programs' tests, and corrections by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nvf.measures.comparison import Comparison
from nvf.measures.significance import compare, holm


def test_one_training_is_the_paired_t_test() -> None:
    ours, theirs = np.random.default_rng(0).beta(1, 2, (2, 120))
    found, known = compare(ours, theirs), stats.ttest_rel(ours, theirs)
    low, high = known.confidence_interval(0.95)
    assert (found.low, found.high, found.p) == pytest.approx((low, high, known.pvalue))
    assert (found.queries, found.seeds, found.seed_share) == (120, 1, 0.0)


def test_intervals_cover_and_the_null_is_uniform() -> None:
    """200 comparisons of 120 queries with no difference: 5 % of intervals miss 0, and p is uniform."""
    rng = np.random.default_rng(0)
    found = [compare(rng.beta(1, 2, 120), rng.beta(1, 2, 120)) for _ in range(200)]
    missed = np.mean([each.low > 0 or each.high < 0 for each in found])
    assert 0.01 < missed < 0.10
    ps = np.array([each.p for each in found])
    assert all(abs(np.mean(ps < level) - level) < 0.08 for level in (0.1, 0.3, 0.5, 0.7, 0.9))


def test_several_trainings_by_hand() -> None:
    """The analysis of variance of 4 queries and 3 trainings, from its mean squares."""
    ours = np.array([[0.5, 0.1, 0.4, 0.9], [0.6, 0.2, 0.4, 0.7], [0.9, 0.3, 0.6, 1.0]])
    theirs = np.array([0.1, 0.2, 0.1, 0.3])
    d = ours - theirs
    query, seed = d.mean(0), d.mean(1)
    of_query, of_seed = 3 * query.var(ddof=1), 4 * seed.var(ddof=1)
    rest = ((d - query - seed[:, None] + d.mean()) ** 2).sum() / 6
    assert of_seed > rest < of_query, "no component is below 0"
    variance = (of_query + of_seed - rest) / 12
    freedom = variance**2 / ((of_query / 12) ** 2 / 3 + (of_seed / 12) ** 2 / 2)
    half = stats.t.isf(0.025, freedom) * np.sqrt(variance)
    found = compare(ours, theirs)
    assert (found.difference, found.low, found.high) == pytest.approx((d.mean(), d.mean() - half, d.mean() + half))
    assert found.p == pytest.approx(2 * stats.t.sf(d.mean() / np.sqrt(variance), freedom))
    assert (found.seeds, found.seed_share) == (3, pytest.approx((of_seed - rest) / 12 / variance))


def test_trainings_that_do_not_differ_leave_the_interval_of_one() -> None:
    ours, theirs = np.random.default_rng(3).random((2, 80))
    alone, thrice = compare(ours, theirs), compare(np.stack([ours] * 3), theirs)
    assert (thrice.low, thrice.high) == pytest.approx((alone.low, alone.high))
    assert (thrice.seeds, thrice.seed_share) == (3, pytest.approx(0.0, abs=1e-12))


def test_seeds_that_differ_less_than_chance_add_nothing() -> None:
    """Every training's mean is the same, and no query is the same in two trainings: the t-test over the queries."""
    d = np.random.default_rng(0).normal(0.2, 0.1, (2, 80))
    d -= d.mean(axis=1, keepdims=True) - 0.2
    d[1] -= stats.linregress(d[0], d[1]).slope * (d[0] - 0.2)
    d[1] -= 0.1 * (d[0] - 0.2)
    assert np.corrcoef(d)[0, 1] < 0, "the queries' own component would be below 0"
    known = stats.ttest_1samp(d.mean(axis=0), 0).confidence_interval(0.95)
    found = compare(d, np.zeros(80))
    assert (found.low, found.high) == pytest.approx((known.low, known.high))


def test_a_query_counts_in_the_trainings_that_have_it() -> None:
    """The difference is that of the figures shown: the mean over the draws of each one's mean."""
    nan = float("nan")
    ours = np.array([[0.5, 0.1, nan, nan], [0.7, nan, 0.2, nan]])
    theirs = np.array([[0.1, 0.1, nan, nan], [0.1, nan, 0.1, nan]])
    found = compare(ours, theirs)
    assert found.difference == pytest.approx((0.4 / 2 + 0.7 / 2) / 2)
    assert (found.queries, found.seeds) == (3, 2)


def test_draws_of_different_queries_are_one_sample() -> None:
    """Where no query comes twice and the draws' means are alike, what is left is a t-test over all queries."""
    values = np.random.default_rng(4).normal(0.1, 0.2, 60)
    values[30:] += values[:30].mean() - values[30:].mean()
    drawn = np.full((2, 60), np.nan)
    drawn[0, :30], drawn[1, 30:] = values[:30], values[30:]
    known = stats.ttest_1samp(values, 0)
    assert compare(drawn, np.zeros(60)).p == pytest.approx(known.pvalue, rel=0.15)


def test_interval_and_p_say_the_same() -> None:
    rng = np.random.default_rng(5)
    found = [
        compare(rng.normal(rng.normal(0, 0.02), 0.1, (rng.integers(1, 6), rng.integers(2, 60))), np.zeros(1))
        for _ in range(300)
    ]
    assert not any(line.disagree for line in found)
    assert {line.outcome() for line in found} == {"better", "worse", "undecided"}


def test_a_difference_is_found() -> None:
    rng = np.random.default_rng(1)
    theirs = rng.random(300)
    ours = theirs + rng.normal(0.05, 0.1, 300)
    found = compare(ours, theirs)
    assert found.low > 0.03 and found.high < 0.07 and found.p < 0.001
    assert compare(theirs, ours) == found.turned()


def test_nothing_to_tell() -> None:
    assert compare(np.full(5, 0.3), np.full(5, 0.3)) == Comparison(5, 0.0, 0.0, 0.0, 1.0)
    alone = compare(np.array([0.5]), np.array([0.2]))
    assert (alone.low, alone.high, alone.p, alone.outcome()) == (-np.inf, np.inf, 1.0, "undecided")
    everywhere = compare(np.full((3, 20), 0.5), np.full(20, 0.25))
    assert (everywhere.low, everywhere.high, everywhere.outcome()) == (0.25, 0.25, "better")


def test_holm() -> None:
    assert holm([0.01, 0.02, 0.03, 0.5]) == pytest.approx([0.04, 0.06, 0.06, 0.5])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
