"""Intervals that cover, tests that are honest under the null, and corrections by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nvf.measures.comparison import Comparison
from nvf.measures.significance import compare, holm


def test_intervals_cover_and_the_null_is_uniform() -> None:
    """200 comparisons of 120 queries with no difference: 5 % of intervals miss 0, and p is uniform."""
    rng = np.random.default_rng(0)
    found = [compare(rng.beta(1, 2, 120), rng.beta(1, 2, 120), n) for n in range(200)]
    missed = np.mean([each.low > 0 or each.high < 0 for each in found])
    assert 0.01 < missed < 0.10
    ps = np.array([each.p for each in found])
    assert all(abs(np.mean(ps < level) - level) < 0.08 for level in (0.1, 0.3, 0.5, 0.7, 0.9))


def test_a_difference_is_found() -> None:
    rng = np.random.default_rng(1)
    theirs = rng.random(300)
    found = compare(theirs + rng.normal(0.05, 0.1, 300), theirs, 0)
    assert found.low > 0.03 and found.high < 0.07 and found.p < 0.001
    turned = compare(theirs, theirs + rng.normal(0.05, 0.1, 300), 0)
    assert turned.high < 0 and turned.p < 0.001


def test_the_exact_test_by_hand() -> None:
    """Three differences of one sign: of the 8 ways to choose signs, 2 are as extreme."""
    found = compare(np.array([0.1, 0.2, 0.3]), np.zeros(3), 0)
    assert found.p == pytest.approx(2 / 8, abs=0.02)


def test_nothing_to_tell() -> None:
    assert compare(np.full(5, 0.3), np.full(5, 0.3), 0) == Comparison(5, 0.0, 0.0, 0.0, 1.0)
    assert compare(np.array([0.5]), np.array([0.2]), 0).high == np.inf


def test_the_seed_decides() -> None:
    ours, theirs = np.random.default_rng(2).random((2, 50))
    assert compare(ours, theirs, 1) == compare(ours, theirs, 1) != compare(ours, theirs, 2)


def test_holm() -> None:
    assert holm([0.01, 0.02, 0.03, 0.5]) == pytest.approx([0.04, 0.06, 0.06, 0.5])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
