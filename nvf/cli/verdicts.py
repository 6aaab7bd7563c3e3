"""A confirmation in words: a table of finalists and floors on test, and one plain sentence for each finalist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from nvf.cli.render import leaks, number, setting

WHERE = {"all": "on all queries", "clean": "on clean queries", "cold": "for cold documents"}


def confirmation(result: Mapping[str, Any]) -> Iterator[Table | str]:
    """Yield what is printed of the result of `nvf.registry.confirm.confirm`."""
    yield _table(result)
    yield from leaks(result["leaks"])
    if not result["cold"]:
        yield "no cold figure: the sweep withheld nothing (cold: 0)"
    for row in result["finalists"]:
        yield sentence(row, result)
        yield gap(row, result)
        if row["diagnoses"]:
            yield f"  diagnosed while it was trained again: {', '.join(row['diagnoses'])}"
    if result["stability"] is not None:
        yield f"the finalists' order on dev holds over seeds with a Kendall tau of {result['stability']:.2f}"
    if "evaluate" in result:
        yield from elsewhere(result["evaluate"], result["measure"].split(" ")[-1])
    again = "" if result["opened"] == 1 else ": what is chosen now is chosen with test in view"
    times = f"{result['opened']} time{'s' * (result['opened'] > 1)}"
    yield f"test of {result['task']} was opened {times} by this sweep{again}"


def _table(result: Mapping[str, Any]) -> Table:
    measure = result["measure"].split(" ")[-1]
    measures = list(dict.fromkeys([measure if "@" in measure else "nDCG@10", "R@5"]))
    views = [view for view in WHERE if view in result["queries"]]
    queries = ", ".join(f"{result['queries'][view]} {view}" for view in views)
    table = Table(title=f"{result['sweep']}: on test ({queries} queries)", title_justify="left", box=None)
    for name in ("trial", "system", "dev"):
        table.add_column(name, no_wrap=True)
    for each in measures:
        for view in views:
            table.add_column(each if view == "all" else f"{view} {each}", justify="right", no_wrap=True)
    table.add_column("setting")

    def figures(of: Mapping[str, Any]) -> list[str]:
        return [number(of.get(view, {}).get(each)) for each in measures for view in views]

    for row in result["finalists"]:
        sd = "" if row["dev"]["sd"] is None else f" ± {row['dev']['sd']:.4f}"
        dev = f"{number(row['dev']['mean'])}{sd}"
        table.add_row(f"{row['trial']:04d}", row["system"], dev, *figures(row["test"]), setting(row["params"]))
    for name, of in result["floors"].items():
        table.add_row("floor", name, "", *figures(of), "", style="dim")
    return table


def sentence(row: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Return how a finalist stands to the best floor of each view."""
    measure = result["measure"].split(" ")[-1]
    parts = []
    for view, where in WHERE.items():
        floors = {name: of[view][measure] for name, of in result["floors"].items() if view in of}
        floors = {name: value for name, value in floors.items() if view in row["against"].get(name, {})}
        if not floors or view not in row["test"]:
            continue
        best = max(floors, key=lambda name: floors[name])
        parts.append(f"{where} it {against(row['against'][best][view], best)}")
    return f"trial {row['trial']:04d} ({row['system']}): {'; '.join(parts)}"


def against(compared: Mapping[str, Any], name: str) -> str:
    """Return one comparison in words.

    >>> against({"difference": 0.09, "low": 0.07, "high": 0.12, "p": 0.0001}, "raw")
    'beats raw by 0.0900 [0.0700, 0.1200], p 0.0001'
    >>> against({"difference": -0.01, "low": -0.03, "high": 0.01, "p": 0.3}, "raw")
    'is not told from raw: -0.0100 [-0.0300, 0.0100], p 0.3'
    """
    difference, low, high = compared["difference"], compared["low"], compared["high"]
    interval = f"[{low:.4f}, {high:.4f}], p {compared['p']:.2g}"
    if low > 0:
        return f"beats {name} by {difference:.4f} {interval}"
    if high < 0:
        return f"LOSES to {name} by {-difference:.4f} {interval}"
    return f"is not told from {name}: {difference:+.4f} {interval}"


def gap(row: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Return the winner's curse: dev of the search, dev of the replicates, test."""
    found = row["gap"]
    return (
        f"  {result['measure']}: {number(found['search_dev'])} on dev in the search, {number(found['replicates_dev'])} "
        f"over {len(row['dev']['values'])} seeds, {number(found['test'])} on test (all)"
    )


def elsewhere(found: Mapping[str, Any], measure: str) -> Iterator[str]:
    """Yield what came of the other tasks, each finalist beside the floors."""
    names = " + ".join(found["tasks"])
    for name, floor in found["floors"].items():
        yield f"on {names}: floor {name} {_by_task(floor, measure)}"
    for row in found["finalists"]:
        yield f"on {names}: trial {row['trial']:04d} {_by_task(row, measure)}"
        for name, compared in row["against"].items():
            yield f"  on average it {against(compared, name)}"


def _by_task(of: Mapping[str, Any], measure: str) -> str:
    each = " / ".join(f"{figures['all'][measure]:.4f}" for figures in of["figures"])
    return f"{each}, average {of['average']['all'][measure]:.4f} {measure}"
