"""What a confirmation says of its finalists, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nvf.measures.significance import compare
from nvf.registry.findings import compared, over_draws, spread, stability
from nvf.registry.judging import Judged


def judged(**views: list[float]) -> Judged:
    return Judged({}, {view: {"R@5": np.array(values)} for view, values in views.items()}, [])


def test_every_view_is_compared_over_the_queries_that_both_have() -> None:
    nan = float("nan")
    floor = judged(all=[0.1, 0.2, 0.3, 0.4], cold=[0.5, nan, 0.5, nan])
    ours = judged(all=[0.2, 0.4, 0.6, 0.8], cold=[0.25, nan, 0.0, nan])
    found = compared({7: ours}, {"raw": floor}, "R@5", "seed")[7]["raw"]
    assert found["difference"] == found["all"]["difference"] == pytest.approx(0.25)
    assert (found["queries"], found["cold"]["queries"]) == (4, 2)
    assert found["cold"]["difference"] == pytest.approx(-0.375)


def test_several_finalists_pay_for_being_several() -> None:
    rng = np.random.default_rng(0)
    floor = rng.random(60)
    better, same = floor + rng.normal(0.05, 0.15, 60), floor + rng.normal(0, 0.15, 60)
    found = compared({0: judged(all=better), 1: judged(all=same)}, {"raw": judged(all=floor)}, "R@5", "s")
    alone = [compare(each, floor, "s", "raw", "all", number).p for number, each in enumerate((better, same))]
    low, high = sorted(alone)
    assert sorted(each["raw"]["p"] for each in found.values()) == pytest.approx([min(1, 2 * low), max(2 * low, high)])


def test_spread_leaves_out_what_has_no_figure() -> None:
    assert spread([0.1, None, 0.3]) == {
        "mean": pytest.approx(0.2),
        "sd": pytest.approx(0.2**0.5 / 10**0.5),
        "values": [0.1, None, 0.3],
    }
    assert spread([0.1])["sd"] is None and spread([])["mean"] is None


def test_draws_have_mean_and_deviation() -> None:
    found = over_draws([{"cold": {"R@5": 0.2}}, {"cold": {"R@5": 0.4}}])
    assert found["draws"] == 2
    assert found["mean"]["cold"]["R@5"] == pytest.approx(0.3)
    assert found["sd"]["cold"]["R@5"] == pytest.approx(np.std([0.2, 0.4], ddof=1))


def test_an_order_that_holds_and_one_that_turns() -> None:
    def rows(*values: list[float]) -> list[dict[str, dict[str, list[float]]]]:
        return [{"dev": {"values": each}} for each in values]

    assert stability(rows([0.3, 0.31], [0.2, 0.21], [0.1, 0.11])) == 1
    assert stability(rows([0.3, 0.1], [0.2, 0.21])) == 0, "each seed the other way"
    assert stability(rows([0.3, 0.31])) is None
