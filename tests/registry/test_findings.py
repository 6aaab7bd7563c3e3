"""What a confirmation says of its finalists, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nvf.journal.result import Finalist, both_ways
from nvf.measures.significance import compare, holm
from nvf.registry.findings import by_view, compared, over_draws, pairwise, spread, stability
from nvf.registry.judging import Judged
from nvf.types import FloatArray
from tests.journal.written import confirmation


def judged(**views: list[float] | FloatArray) -> Judged:
    return Judged({}, {view: {"R@5": np.atleast_2d(values)} for view, values in views.items()}, [])


def test_every_view_is_compared_over_the_queries_that_both_have() -> None:
    nan = float("nan")
    floor = judged(all=[0.1, 0.2, 0.3, 0.4], cold=[0.5, nan, 0.5, nan])
    ours = judged(all=[0.2, 0.4, 0.6, 0.8], cold=[0.25, nan, 0.0, nan])
    found = compared({7: ours}, {"raw": floor}, "R@5")[7]["raw"]
    assert found["all"].difference == pytest.approx(0.25)
    assert (found["all"].queries, found["cold"].queries) == (4, 2)
    assert found["cold"].difference == pytest.approx(-0.375)


def test_several_finalists_pay_for_being_several() -> None:
    rng = np.random.default_rng(0)
    floor = rng.random(60)
    better, same = floor + rng.normal(0.05, 0.15, 60), floor + rng.normal(0, 0.15, 60)
    found = compared({0: judged(all=better), 1: judged(all=same)}, {"raw": judged(all=floor)}, "R@5")
    alone = [compare(each, floor).p for each in (better, same)]
    low, high = sorted(alone)
    assert sorted(each["raw"]["all"].p for each in found.values()) == pytest.approx(
        [min(1, 2 * low), max(2 * low, high)]
    )


def test_spread_leaves_out_what_has_no_figure() -> None:
    found = spread([0.1, None, 0.3])
    assert (found.mean, found.sd) == (pytest.approx(0.2), pytest.approx(0.2**0.5 / 10**0.5))
    assert found.values == [0.1, None, 0.3]
    assert spread([0.1]).sd is None and spread([]).mean is None


def test_draws_have_mean_and_deviation() -> None:
    found = over_draws([{"cold": {"R@5": 0.2}}, {"cold": {"R@5": 0.4}}])
    assert found.draws == 2
    assert found.mean["cold"]["R@5"] == pytest.approx(0.3)
    assert found.sd["cold"]["R@5"] == pytest.approx(np.std([0.2, 0.4], ddof=1))


def test_finalists_are_compared_with_each_other() -> None:
    """Three finalists over two trainings: three pairs, p adjusted for them in each view by itself."""
    rng = np.random.default_rng(0)
    base = rng.random(80)
    tables = {number: base + rng.normal(gain, 0.1, (2, 80)) for number, gain in ((4, 0.2), (0, 0.18), (9, 0.0))}
    shown = {number: judged(all=table, clean=table[:, :40]) for number, table in tables.items()}
    found = pairwise(by_view(shown, "R@5"))
    assert [(pair.trial, pair.other) for pair in found] == [(4, 0), (4, 9), (0, 9)]
    assert all(set(pair.lines) == {"all", "clean"} for pair in found)
    alone = [compare(tables[one], tables[other]) for one, other in ((4, 0), (4, 9), (0, 9))]
    assert [pair.all.difference for pair in found] == [line.difference for line in alone]
    assert [pair.all.p for pair in found] == holm([line.p for line in alone])
    assert [pair.lines["clean"].queries for pair in found] == [40] * 3

    ways = {(one, other): lines["all"] for one, other, lines in both_ways(found)}
    assert len(ways) == 6 and ways[9, 4] == ways[4, 9].turned()
    assert (ways[4, 9].outcome(), ways[9, 4].outcome()) == ("better", "worse")
    assert pairwise(by_view({4: shown[4]}, "R@5")) == []


def test_an_order_that_holds_and_one_that_turns() -> None:
    def rows(*values: list[float]) -> list[Finalist]:
        return confirmation(finalists=[{"dev": {"mean": 0.0, "values": each}} for each in values]).finalists

    assert stability(rows([0.3, 0.31], [0.2, 0.21], [0.1, 0.11])) == 1
    assert stability(rows([0.3, 0.1], [0.2, 0.21])) == -1, "each seed the other way than the other"
    # the mean over all three follows the first seed, which is far out; the others alone say the contrary of it
    assert stability(rows([0.9, 0.3, 0.3], [0.1, 0.31, 0.31])) == pytest.approx((-1 - 1 - 1) / 3)
    assert stability(rows([0.3, 0.31])) is None
