"""A confirmation in words."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nvf.cli.verdicts import confirmation
from nvf.measures.comparison import Comparison
from tests.journal.written import confirmation as read


def line(difference: float, low: float, high: float, p: float = 0.012) -> dict[str, Any]:
    return asdict(Comparison(300, difference, low, high, p, 5, 0.1))


def over_draws(all_: float, cold: float, sd: float) -> dict[str, Any]:
    def by(*values: float) -> dict[str, dict[str, float]]:
        return {view: {"nDCG@10": value} for view, value in zip(("all", "cold"), values, strict=True)}

    return {"draws": 5, "mean": by(all_, cold), "sd": by(sd, sd), "figures": []}


def figures(*values: float) -> dict[str, dict[str, float]]:
    views = zip(("all", "clean", "cold"), values, strict=True)
    return {view: {"nDCG@10": value, "R@5": value / 2} for view, value in views}


def result() -> dict[str, Any]:
    against = {"all": line(0.09, 0.07, 0.11), "clean": line(0.01, -0.01, 0.03, 0.4), "cold": line(-0.03, -0.05, -0.01)}
    row = {
        "trial": 2,
        "system": "linear",
        "params": {"lr": 0.001},
        "seeds": 5,
        "dev": {"mean": 0.32, "sd": 0.003, "values": [0.32] * 5},
        "test": figures(0.41, 0.33, 0.09),
        "withheld": over_draws(0.37, 0.09, 0.004),
        "gap": {"search_dev": 0.33, "replicates_dev": 0.32, "test": 0.37},
        "latency_ms_p50": 0.5,
        "latency_ms_p95": 1.25,
        "diagnoses": ["buries_new_documents"],
        "champion": {"test": {view: {"nDCG@10": value} for view, value in (("all", 0.402), ("clean", 0.325))}},
        "against": {"raw": {**against["all"], **against}},
    }
    return {
        "sweep": "small",
        "task": "beir/nfcorpus",
        "measure": "nDCG@10",
        "compared": "nDCG@10",
        "opened": 2,
        "seeds": 5,
        "cold": 0.2,
        "cold_by": "condensed",
        "queries": {"all": 323, "clean": 294, "cold": 313},
        "floors": {"raw": figures(0.32, 0.32, 0.12)},
        "ceilings": {},
        "withheld_floors": {"raw": over_draws(0.32, 0.12, 0.0)},
        "stability": 1.0,
        "finalists": [row],
        "leaks": [],
    }


def told(found: dict[str, Any], width: int = 80) -> list[str]:
    return [part if isinstance(part, str) else part.plain for part in confirmation(read(**found), width)]


def test_a_confirmation_has_one_verdict_a_line() -> None:
    assert told(result()) == [
        "small: nDCG@10 on test (323 all, 294 clean, 313 cold queries)",
        "               nDCG@10                     R@5",
        "trial  system      all   clean    cold     all   clean    cold  dev",
        "0002   linear   0.4100  0.3300  0.0900  0.2050  0.1650  0.0450  0.3200 ± 0.0030",
        "floor  raw      0.3200  0.3200  0.1200  0.1600  0.1600  0.0600",
        "left out at 80 columns: setting; --wide shows all",
        "",
        "trial 0002 (linear), difference in nDCG@10 on test",
        "  against         difference       95 % interval  p      verdict",
        "  raw      all       +0.0900  [+0.0700, +0.1100]  0.012  better",
        "  raw      clean     +0.0100  [-0.0100, +0.0300]  0.4    undecided",
        "  raw      cold      -0.0300  [-0.0500, -0.0100]  0.012  worse",
        "  nDCG@10: dev 0.3300 in the search, 0.3200 over 5 draws; test 0.3700",
        "  its checkpoint alone: all 0.4020, clean 0.3250; above, the mean of 5 seeds",
        "  latency: p50 0.50 ms, p95 1.25 ms",
        "  diagnosed when trained again: buries_new_documents",
        "",
        "nDCG@10 with 20% of the judged documents withheld, over 5 draws",
        "              all              cold",
        "  trial 0002  0.3700 ± 0.0040  0.0900 ± 0.0040",
        "  floor raw   0.3200           0.1200",
        "",
        "setting of trial  0002",
        "lr                0.001",
        "",
        "order of the finalists on dev over seeds: Kendall tau 1.00",
        "test of beir/nfcorpus: opened 2 times by this sweep",
        "  what is chosen now is chosen with test in view",
    ]


def test_a_sweep_that_withholds_nothing_says_so() -> None:
    found = result()
    found["cold"], found["opened"] = 0, 1
    row = found["finalists"][0]
    row["withheld"] = {"draws": 0, "mean": {}, "sd": {}, "figures": []}
    lines = told(found)
    assert "no cold figure: the sweep withheld nothing (cold: 0)" in lines
    assert not any("draws" in line for line in lines)
    assert lines[-1] == "test of beir/nfcorpus: opened 1 time by this sweep"


def test_other_tasks_are_told_of_with_their_average() -> None:
    found = result()
    by_task = {"figures": [figures(0.6, 0.6, 0.6), figures(0.3, 0.3, 0.3)], "average": figures(0.45, 0.45, 0.45)}
    found["evaluate"] = {
        "tasks": ["beir/scifact", "beir/nfcorpus"],
        "leaks": [],
        "floors": {"raw": by_task},
        "finalists": [{"trial": 2, **by_task, "against": {"raw": line(0.0, -0.01, 0.01, 1.0)}}],
    }
    lines = told(found)
    at = lines.index("nDCG@10 on other tasks, all queries: (1) beir/scifact, (2) beir/nfcorpus")
    assert lines[at + 1 : at + 7] == [
        "                 (1)     (2)  average",
        "  trial 0002  0.6000  0.3000   0.4500",
        "  floor raw   0.6000  0.3000   0.4500",
        "difference of the averages",
        "  against                 difference       95 % interval  p  verdict",
        "  trial 0002 to raw  all     +0.0000  [-0.0100, +0.0100]  1  undecided",
    ]


def test_a_verdict_agrees_with_its_interval_and_its_p() -> None:
    found = result()
    found["finalists"][0]["against"] = {
        "raw": {"all": line(-0.03, -0.05, -0.01, 0.2), "clean": line(0.03, -0.01, 0.05), "cold": line(0.03, 0.01, 0.05)}
    }
    assert [shown.split()[-1] for shown in told(found) if shown.startswith("  raw ")] == [
        "undecided",
        "undecided",
        "better",
    ]


def pairs(trials: list[int], clean: float = 0.0) -> list[dict[str, Any]]:
    """Each trial lies 0.01 above the next; what is 0.03 apart differs."""
    found = []
    for place, one in enumerate(trials):
        for step, other in enumerate(trials[place + 1 :], 1):
            of = line(step / 100, step / 100 - 0.025, step / 100 + 0.025, 0.6 if step < 3 else 0.012)
            found.append({"trial": one, "other": other, "all": of, "clean": {**of, "queries": of["queries"] - clean}})
    return found


def several(trials: list[int], **more: Any) -> dict[str, Any]:
    found = result()
    row = found["finalists"][0]
    return {**found, "finalists": [{**row, "trial": number} for number in trials], **more}


def test_three_finalists_have_a_line_for_each_pair() -> None:
    lines = told(several([7, 2, 11], pairwise=pairs([7, 2, 11])))
    at = lines.index("finalists with each other, difference in nDCG@10 on test")
    assert lines[at + 1 : at + 6] == [
        "  against            difference       95 % interval  p    verdict",
        "  0007 to 0002  all     +0.0100  [-0.0150, +0.0350]  0.6  undecided",
        "  0007 to 0011  all     +0.0200  [-0.0050, +0.0450]  0.6  undecided",
        "  0002 to 0011  all     +0.0100  [-0.0150, +0.0350]  0.6  undecided",
        "",
    ]


def test_more_finalists_have_a_matrix_for_each_view_that_says_something_else() -> None:
    trials = [7, 2, 11, 0]
    lines = told(several(trials, pairwise=pairs(trials, clean=20)))
    at = lines.index("finalists with each other, difference in nDCG@10 on test")
    assert lines[at + 1 : at + 7] == [
        "  row minus column; * where it is better or worse, adjusted for 6 pairs (Holm)",
        "  all       0002      0011      0000",
        "  0007   +0.0100   +0.0200   +0.0300*",
        "  0002             +0.0100   +0.0200",
        "  0011                       +0.0100",
        "  clean     0002      0011      0000",
    ]
    many = told(several(list(range(12)), pairwise=pairs(list(range(12)))))
    assert max(map(len, many)) <= 80
    assert "  left out at 80 columns: 0008, 0009, 0010, 0011; --wide shows all" in many


def test_it_is_said_what_the_intervals_do_not_cover() -> None:
    assert not any("cover" in shown for shown in told(result()))
    assert "one seed: intervals and p cover the queries alone, not other trainings" in told({**result(), "seeds": 1})
    older = result()
    for of in older["finalists"][0]["against"].values():
        for each in (of, *(of[view] for view in ("all", "clean", "cold"))):
            each.pop("seeds", None), each.pop("seed_share", None)
    del older["finalists"][0]["champion"]["test"]
    lines = told(older)
    assert "confirmed by an older nvf: intervals and p cover the queries alone" in lines
    assert not any("checkpoint" in shown for shown in lines)


def test_a_warning_of_the_task_stands_before_the_figures() -> None:
    warning = "warning: many judgements (20% in test) name documents that are not in the corpus: figures are too low"
    plain = told(result())
    assert told({**result(), "notes": ["dev is carved", warning]}) == [plain[0], warning, *plain[1:]]


def test_cold_figures_by_an_older_rule_are_said_to_be_so_before_any_figure() -> None:
    old = result()
    del old["cold_by"]
    before = told(old)[:2]
    assert before[1] == (
        "warning: cold figures follow an older rule, and compare with none of today's; for new ones: nvf confirm small"
    )
    assert not any("older rule" in line for line in told(result()) + told({**old, "cold": 0}))
