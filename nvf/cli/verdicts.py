"""A confirmation in words: a table of finalists and floors on test, and plain sentences on each finalist."""

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
        yield from sentences(row, result)
        yield gap(row, result)
        yield from withheld(row, result)
        if row["diagnoses"]:
            yield f"  diagnosed while it was trained again: {', '.join(row['diagnoses'])}"
    if result["stability"] is not None:
        yield f"the finalists' order on dev holds over seeds with a Kendall tau of {result['stability']:.2f}"
    if "evaluate" in result:
        yield from elsewhere(result["evaluate"], result["compared"])
    again = "" if result["opened"] == 1 else ": what is chosen now is chosen with test in view"
    times = f"{result['opened']} time{'s' * (result['opened'] > 1)}"
    yield f"test of {result['task']} was opened {times} by this sweep{again}"


def _table(result: Mapping[str, Any]) -> Table:
    measures = list(dict.fromkeys([result["compared"], "R@5"]))
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
    if "champion" in result:
        reigning = result["champion"]
        table.add_row("champion", reigning["name"], "", *figures(reigning["figures"]), "", style="dim")
    for kind in ("ceiling", "floor"):
        for name, of in result[f"{kind}s"].items():
            table.add_row(kind, name, "", *figures(of), "", style="dim")
    return table


def sentences(row: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[str]:
    """Yield how a finalist stands to each floor, and to the reigning champion, in every view."""
    who = f"trial {row['trial']:04d} ({row['system']})"
    others = {name: row["against"].get(name, {}) for name in result["floors"]}
    if "champion" in result:
        others[result["champion"]["name"]] = row["against_champion"]
    for name, compared in others.items():
        parts = [f"{where} it {against(compared[view], name)}" for view, where in WHERE.items() if view in compared]
        if parts:
            yield f"{who}: {'; '.join(parts)}"


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
        return f"is worse than {name} by {-difference:.4f} {interval}"
    return f"is not told from {name}: {difference:+.4f} {interval}"


def gap(row: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Return the winner's curse: dev of the search, dev of the replicates, test."""
    found = row["gap"]
    searched, again, test = (number(found[name]) for name in ("search_dev", "replicates_dev", "test"))
    over = f"{len(row['dev']['values'])} {'draws' if result['cold'] else 'seeds'}"
    return (
        f"  {result['measure']} {searched} on dev in the search; over {over} {again} on dev, {test} on test; "
        f"latency p50 {row['latency_ms_p50']:.2f} ms, p95 {row['latency_ms_p95']:.2f} ms"
    )


def withheld(row: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the trainings with a share withheld give on all queries and for cold documents, beside the floors."""
    measure = result["compared"]
    if "cold" not in row["withheld"]["mean"]:
        return
    floors = [f"{name} {_pair(of, measure)}" for name, of in result["withheld_floors"].items()]
    yield (
        f"  with {result['cold']:.0%} of the judged documents withheld, {row['withheld']['draws']} draws, all / cold "
        f"{measure}: {_pair(row['withheld'], measure)}; {', '.join(floors)}"
    )


def _pair(over_draws: Mapping[str, Any], measure: str) -> str:
    """Return `0.3704 ± 0.0021 / 0.1262 ± 0.0040`; without deviation where it is 0 or there is one draw."""
    texts = []
    for view in ("all", "cold"):
        sd = over_draws["sd"][view][measure]
        texts.append(f"{over_draws['mean'][view][measure]:.4f}{f' ± {sd:.4f}' if sd else ''}")
    return " / ".join(texts)


def elsewhere(found: Mapping[str, Any], measure: str) -> Iterator[str]:
    """Yield what came of the other tasks, each finalist beside the floors."""
    yield from floors_elsewhere(found, measure)
    for row in found["finalists"]:
        yield f"  trial {row['trial']:04d}: {_by_task(row, measure)}"
        for name, compared in row["against"].items():
            yield f"    on average it {against(compared, name)}"


def floors_elsewhere(found: Mapping[str, Any], measure: str) -> Iterator[str]:
    """Yield the floors of the other tasks, and how their queries leak."""
    yield f"{measure} on {' / '.join(found['tasks'])} (all queries):"
    yield from (f"  {line}" for line in leaks(found["leaks"]))
    for name, floor in found["floors"].items():
        yield f"  floor {name}: {_by_task(floor, measure)}"


def _by_task(of: Mapping[str, Any], measure: str) -> str:
    each = " / ".join(number(figures["all"][measure]) for figures in of["figures"])
    return f"{each}, average {number(of['average']['all'][measure])}"
