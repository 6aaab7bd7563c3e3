"""What a confirmation says of its finalists, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nvf.journal.facts import Published
from nvf.journal.kinds import Replicated
from nvf.journal.replay import SweepState, TrialState, replay
from nvf.journal.result import Finalist, both_ways
from nvf.measures.significance import compare, holm
from nvf.registry.findings import by_view, compared, finalist, over_draws, pairwise, spread, stability
from nvf.registry.judging import Judged
from nvf.training.record import Record
from nvf.types import FloatArray
from tests.journal.written import confirmation, event


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


def replicated(place: int, withheld: bool, dev: dict[str, float], p50: float, *names: str) -> Replicated:
    """A training with these figures on dev, by view, whose 95th percentile is ten times its median."""
    record = {
        "epoch": 1,
        "figures": {view: {"R@5": value} for view, value in dev.items()},
        "clock": {"latency_ms_p50": p50, "latency_ms_p95": 10 * p50},
        "diagnoses": [{"name": name, "figure": 1.0, "threshold": 0.5, "text": ""} for name in names],
    }
    part = {"trial": 4, "place": place, "withheld": withheld, "seed": 100 + place, "cold_seed": None}
    checkpoint = {"folder": f"f{place}", "digest": "d", "bytes": place}
    made = event("replicate", confirmation=1, part=part, record=record, checkpoint=checkpoint, error=None)
    assert isinstance(made, Replicated)
    return made


FULL = [
    replicated(0, False, {"all": 0.7}, 1.0, "memorisation"),
    replicated(1, False, {"all": 0.4}, 3.0),
    replicated(2, False, {"all": 0.6}, 2.0),
]
WITHHELD = [
    replicated(0, True, {"all": 0.9, "cold": 0.2}, 9.0, "residual_collapse", "memorisation"),
    replicated(1, True, {"all": 0.9, "cold": 0.4}, 9.0),
]
ON_TEST = Judged(
    {"all": {"R@5": 0.55}, "cold": {"R@5": 0.25}},
    {},
    [{"cold": {"R@5": 0.2}}, {"cold": {"R@5": 0.3}}],
    [{"all": {"R@5": value}} for value in (0.5, 0.51, 0.52)],
    {"rank": 7.0},
)


def sized(checkpoint: Published) -> int:
    return 1000 + checkpoint.bytes


def searched(measure: str) -> tuple[SweepState, TrialState]:
    """A sweep by this measure, and a trial of it: 0.8 on its best epoch, on all and cold, and less on its last."""
    state = replay([event("sweep_started", objectives=[measure], spec={"measure": measure})])
    records = [
        Record(epoch=epoch, losses={}, figures={"all": {"R@5": value}, "cold": {"R@5": value}})
        for epoch, value in enumerate((0.95, 0.8, 0.3))
    ]
    return state, TrialState(4, "linear", {"lr": 0.1, "heads": 1}, {"lr": 0.1}, {}, 0, 2, records)


def told(measure: str, full: list[Replicated] = FULL, withheld: list[Replicated] = WITHHELD) -> Finalist:
    on_test = ON_TEST if withheld else replace(ON_TEST, withheld=[])
    return finalist(*searched(measure), full, withheld, on_test, {}, None, sized)


def test_what_is_said_of_a_finalist() -> None:
    found = told("R@5")
    assert (found.trial, found.system, found.seeds) == (4, "linear", 3)
    assert (found.params, found.settings) == ({"lr": 0.1}, {"lr": 0.1, "heads": 1})
    assert found.dev.values == [0.9, 0.9], "with the share withheld, as in the search"
    assert found.dev_all_judgements.values == [0.7, 0.4, 0.6]
    assert (found.test, found.test_by_seed, found.statistics) == (ON_TEST.figures, ON_TEST.trainings, {"rank": 7.0})
    assert (found.latency_ms_p50, found.latency_ms_p95) == (2.0, 20.0), "the median of the trainings"
    assert found.diagnoses == ["memorisation", "residual_collapse"]
    assert (found.withheld.draws, found.withheld.mean["cold"]["R@5"]) == (2, pytest.approx(0.25))


def test_the_training_that_would_be_promoted_is_the_median_on_dev() -> None:
    """Of an even number it is the lower of the two in the middle; the best would be the luckiest."""
    found = told("R@5").champion
    assert (found.place, found.seed, found.checkpoint.folder, found.bytes) == (2, 102, "f2", 1002)
    assert found.record.figures == {"all": {"R@5": 0.6}} and found.test == {"all": {"R@5": 0.52}}
    assert [told("R@5", FULL[:count]).champion.place for count in (1, 2)] == [0, 1]


def test_the_winners_curse_is_seen_by_the_sweeps_own_measure() -> None:
    """dev of the search, dev of the replicates, test: over all and over cold documents."""
    found = told("R@5").gap
    assert (found.search_dev, found.replicates_dev) == (0.8, pytest.approx(0.9))
    assert found.test is None, "the draws have no other view here"
    cold = told("cold R@5")
    assert cold.dev.values == [0.2, 0.4] and cold.dev_all_judgements.values == [0.7, 0.4, 0.6]
    assert (cold.gap.search_dev, cold.gap.replicates_dev) == (0.8, pytest.approx(0.3))
    assert cold.gap.test == pytest.approx(0.25)
    without = told("R@5", withheld=[])
    assert without.dev == without.dev_all_judgements and without.dev.values == [0.7, 0.4, 0.6]
    assert (without.gap.search_dev, without.gap.test) == (0.8, 0.55) and without.withheld.draws == 0


def test_a_view_that_one_finalist_lacks_is_compared_with_none() -> None:
    shown = {4: judged(all=[0.1, 0.2], clean=[0.1]), 5: judged(all=[0.3, 0.4])}
    assert {view: [*table] for view, table in by_view(shown, "R@5").items()} == {"all": [4, 5]}


def test_a_query_that_one_side_has_no_figure_of_is_left_out() -> None:
    nan = float("nan")
    floor, ours = judged(cold=[[0.5, 0.1, nan, 0.3]]), judged(cold=[[0.25, nan, 0.75, 0.2]])
    found = compared({7: ours}, {"raw": floor}, "R@5")[7]["raw"]["cold"]
    assert (found.queries, found.difference) == (2, pytest.approx((-0.25 - 0.1) / 2))


@pytest.mark.parametrize(("objectives", "measure"), [(["cold R@5", "nDCG@10"], "R@5"), (["latency_ms_p95"], "nDCG@10")])
def test_what_is_compared_is_the_first_quality(objectives: list[str], measure: str) -> None:
    assert replay([event("sweep_started", objectives=objectives)]).compared == measure


def test_an_order_that_holds_and_one_that_turns() -> None:
    def rows(*values: list[float]) -> list[Finalist]:
        return confirmation(finalists=[{"dev": {"mean": 0.0, "values": each}} for each in values]).finalists

    assert stability(rows([0.3, 0.31], [0.2, 0.21], [0.1, 0.11])) == 1
    assert stability(rows([0.3, 0.1], [0.2, 0.21])) == -1, "each seed the other way than the other"
    # the mean over all three follows the first seed, which is far out; the others alone say the contrary of it
    assert stability(rows([0.9, 0.3, 0.3], [0.1, 0.31, 0.31])) == pytest.approx((-1 - 1 - 1) / 3)
    assert stability(rows([0.3, 0.31])) is None
