"""The rule of a verdict: the interval and the test must agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nvf.measures.comparison import ALPHA, Comparison
from nvf.plain import adapter


@pytest.mark.parametrize(
    ("low", "high", "p", "margin", "outcome", "disagree"),
    [
        (0.01, 0.05, 0.001, 0.0, "better", False),
        (0.01, 0.05, 0.2, 0.0, "undecided", True),
        (-0.05, -0.01, 0.001, 0.0, "worse", False),
        (-0.05, -0.01, 0.2, 0.0, "undecided", True),
        (-0.01, 0.03, 0.001, 0.0, "undecided", True),
        (-0.01, 0.03, 0.4, 0.0, "undecided", False),
        (-0.01, 0.03, 0.4, -0.02, "better", False),  # not worse than a margin is no claim of a difference
        (-0.05, -0.03, 0.2, -0.02, "undecided", True),
        (-0.05, -0.03, 0.01, -0.02, "worse", False),
        (0.0, 0.0, 1.0, 0.0, "undecided", False),
    ],
)
def test_interval_and_p_must_agree(
    low: float, high: float, p: float, margin: float, outcome: str, disagree: bool
) -> None:
    line = Comparison(300, (low + high) / 2, low, high, p)
    assert (line.outcome(margin), line.disagree) == (outcome, disagree)


def test_no_p_and_no_interval_gives_a_verdict_against_the_other() -> None:
    """Over all kinds of comparisons: a claim has p below alpha and 0 outside the interval."""
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(2000):
        low, high = sorted(rng.normal(0, 0.03, 2))
        line = Comparison(100, (low + high) / 2, low, high, float(rng.choice([0.001, 0.049, 0.05, 0.3])))
        seen.add(line.outcome())
        if line.outcome() != "undecided":
            assert line.p < ALPHA and not low <= 0 <= high
    assert seen == {"better", "worse", "undecided"}


def test_an_open_end_is_read_from_a_journal() -> None:
    line = adapter(Comparison).validate_python({"queries": 1, "difference": 0.5, "low": None, "high": None, "p": 1.0})
    assert (line.low, line.high, line.outcome(), line.needed(0.0)) == (-np.inf, np.inf, "undecided", None)
    assert (line.seeds, line.interval) == (1, "[open, open]"), "journals of older versions know no seeds"


def test_turned_round() -> None:
    line = Comparison(300, 0.03, 0.01, 0.05, 0.001, 5, 0.25)
    assert line.turned() == Comparison(300, -0.03, -0.05, -0.01, 0.001, 5, 0.25)
    assert (line.outcome(), line.turned().outcome()) == ("better", "worse")


def test_how_many_queries_it_takes() -> None:
    """To bring the interval to the margin would take 1,600, with a chance of one half: (4 / 1)^2 as many."""
    straddling = Comparison(100, -0.01, -0.05, 0.03, 0.5)
    half, power = stats.norm.ppf([0.975, 0.8])
    assert straddling.needed(-0.02) == int(np.ceil(1600 * ((half + power) / half) ** 2)) == 3270
    assert straddling.enough(-0.02) == "about 3,270 would decide (80 % power)"
    assert straddling.needed(-0.01) is None and straddling.enough(-0.01) == ""


def test_what_the_seeds_leave_more_queries_do_not_lessen() -> None:
    """A half interval of 0.04 is a deviation of 0.0204; to see 0.02 with 80 % power it must be 0.00714."""
    some, most = (Comparison(100, 0.02, -0.02, 0.06, 0.4, 5, share) for share in (0.1, 0.2))
    error, asked = 0.04 / stats.norm.ppf(0.975), 0.02 / stats.norm.ppf([0.975, 0.8]).sum()
    assert some.needed(0.0) == int(np.ceil(100 * 0.9 * error**2 / (asked**2 - 0.1 * error**2)))
    assert most.needed(0.0) is None and most.enough(0.0) == "it takes more seeds"


def test_where_p_is_what_does_not_decide_more_queries_than_there_are_would() -> None:
    line = Comparison(300, 0.03, 0.01, 0.05, 0.08)
    asked, power, seen = stats.norm.isf([0.025, 0.2, 0.04])
    assert line.needed(0.0) == int(np.ceil(300 * ((asked + power) / seen) ** 2)) > 300
    assert Comparison(300, 0.03, 0.01, 0.05, 1.0).needed(0.0) is None
