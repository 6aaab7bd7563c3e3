"""Tables for people: a leaderboard with its floors, figures as all / clean / cold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from nvf.overlap import Overlap, sentence

WIDE = 220


def console(*, stderr: bool = False) -> Console:
    """Return a console; where the output is no terminal, lines are not folded at 80 columns."""
    made = Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False)
    return (
        made if made.is_terminal else Console(stderr=stderr, highlight=False, width=WIDE, soft_wrap=True, markup=False)
    )


def aside() -> Callable[[str], None]:
    """Return what tells on stderr, dimly, how a command gets on."""
    to = console(stderr=True)
    return lambda line: to.print(line, style="dim")


def number(value: float | None, digits: int = 4) -> str:
    """Return a figure as text; `-` for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def setting(params: Mapping[str, Any]) -> str:
    """Return chosen parameters in one line.

    >>> setting({"system": "linear", "lr": 0.000312345, "side": "both"})
    'lr=0.000312 side=both'
    """
    shown = (
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in params.items()
        if name != "system"
    )
    return " ".join(shown)


def views(queries: Mapping[str, int], rows: Sequence[Mapping[str, Mapping[str, float]]]) -> tuple[list[str], list[str]]:
    """Return the views to show, and a line for each that says the same as `all` everywhere.

    Parameters
    ----------
    queries
        View -> how many queries it has.
    rows
        Figures by view, for every line of the table.
    """
    shown, notes = ["all"], []
    for view in queries:
        if view == "all":
            continue
        same = queries[view] == queries["all"] and all(figures.get(view) == figures.get("all") for figures in rows)
        if same:
            notes.append(f"{view} = all: the same {queries['all']} queries and figures, shown once")
        else:
            shown.append(view)
    return shown, notes


def leaderboard(board: Mapping[str, Any], top: int = 20) -> tuple[Table, list[str]]:
    """Return the table of a leaderboard (see `nvf.journal.leaderboard`) and the lines to print under it."""
    measure = board["measure"].split(" ")[-1]
    measures = list(dict.fromkeys([measure if "@" in measure else "nDCG@10", "R@5"]))
    floors = {**board["ceiling_figures"], **board["floor_figures"]}
    rows = [row["figures"] for row in board["trials"] if row["figures"]] + list(floors.values())
    shown, notes = views(board["queries"], rows)
    table = Table(title=f"{board['sweep']}: {board['measure']} on dev, best first", title_justify="left", box=None)
    for name in ("", "trial", "system", "outcome", "epoch"):
        table.add_column(name, justify="right" if name == "epoch" else "left", no_wrap=True)
    for each in measures:
        for view in shown:
            table.add_column(each if view == "all" else f"{view} {each}", justify="right", no_wrap=True)
    table.add_column("setting")
    table.add_column("diagnoses")

    def figures(of: Mapping[str, Any]) -> list[str]:
        return [number(of.get(view, {}).get(each)) for each in measures for view in shown]

    for place, row in enumerate(board["trials"][:top], start=1):
        epoch = "-" if row["best_epoch"] is None else f"{row['best_epoch']}/{row['epochs']}"
        names = ", ".join(row["diagnoses"])
        cells = [str(place), f"{row['trial']:04d}", row["system"], row["outcome"], epoch]
        table.add_row(*cells, *figures(row["figures"]), setting(row["params"]), names)
    for name in board["ceiling_figures"]:
        table.add_row("", "ceiling", name, "", "", *figures(floors[name]), "", "", style="dim")
    for name in board["floor_figures"]:
        table.add_row("", "floor", name, "", "", *figures(floors[name]), "", "", style="dim")
    hidden = len(board["trials"]) - top
    if hidden > 0:
        notes.append(f"{hidden} more trials: nvf leaderboard {board['sweep']} --top {len(board['trials'])}")
    errors = [
        f"trial {row['trial']:04d} {row['outcome']}: {_last(row['error'])}" for row in board["trials"] if row["error"]
    ]
    faults = [
        f"trial {row['trial']:04d} after epoch {fault['epoch']}, {fault['fault'].replace('_', ' ')}: {fault['detail']}"
        for row in board["trials"]
        for fault in row["faults"]
    ]
    if len(faults) > 5:
        faults = [*faults[:5], f"{len(faults) - 5} more that were lived with: nvf leaderboard {board['sweep']} --json"]
    return table, [*notes, *leaks(board["leaks"]), *board["notes"], *errors[:5], *faults, *verdict(board)]


def _last(error: str) -> str:
    return error.strip().splitlines()[-1]


def leaks(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each pair of splits that leaks."""
    overlaps = (Overlap(**row) for row in rows)
    return [sentence(overlap) for overlap in overlaps if overlap.near or overlap.shared or overlap.same_id]


def verdict(board: Mapping[str, Any]) -> list[str]:
    """Return one plain sentence on the best trial against the best floor, and one for each view in which it loses."""
    best = next((row for row in board["trials"] if row["value"] is not None), None)
    floors = {name: value for name, value in board["floors"].items() if value is not None}
    if best is None or not floors:
        return []
    name = max(floors, key=lambda each: floors[each])
    gain = best["value"] - floors[name]
    if gain <= 0:
        return [f"the best trial does NOT beat the floor {name}: {best['value']:.4f} against {floors[name]:.4f} on dev"]
    lines = [f"best on dev: trial {best['trial']:04d}, {best['value']:.4f}, {gain:+.4f} over the best floor ({name})"]
    measure = board["measure"].split(" ")[-1]
    for view, figures in best["figures"].items():
        value = figures.get(measure)
        beaten = {each: of.get(view, {}).get(measure, -1.0) for each, of in board["floor_figures"].items()}
        floor = max(beaten, key=lambda each: beaten[each])
        if value is not None and value < beaten[floor]:
            what = {"all": "on all queries", "clean": "on clean queries", "cold": "for cold documents"}[view]
            lines.append(f"but {what} it LOSES to the floor {floor}: {value:.4f} against {beaten[floor]:.4f} {measure}")
    return lines


def floors(report: Mapping[str, Any]) -> tuple[Table, list[str]]:
    """Return the table of `nvf floors` and the lines under it."""
    every = {**report["ceilings"], **report["floors"]}
    shown, notes = views(report["queries"], list(every.values()))
    measures = list(next(iter(every.values()))["all"])
    table = Table(title=f"{report['task']}: floors on {report['split']}", title_justify="left", box=None)
    table.add_column("floor")
    table.add_column("view")
    table.add_column("queries", justify="right")
    for measure in measures:
        table.add_column(measure, justify="right")
    for name, figures in every.items():
        for view in shown:
            if view in figures:
                label = f"{name} (ceiling)" if name in report["ceilings"] else name
                cells = [number(figures[view][measure]) for measure in measures]
                table.add_row(label, view, str(report["queries"][view]), *cells)
    return table, [*notes, *leaks(report["leaks"]), *report["notes"]]
