"""The leaderboard as the description of a sweep's MLflow run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LENGTH = 7_800
"""Characters; MLflow keeps 8,000."""


def markdown(board: Mapping[str, Any]) -> str:
    """Return `nvf.journal.leaderboard.leaderboard` as markdown: trials best first, floors, leaks, notes.

    The table ends where the note would grow over `LENGTH`; the rest is counted.
    """
    head = _table(["trial", "system", "outcome", "epochs", board["measure"], "cold", "diagnoses"])
    tail = "\n".join(["", *_floors(board), *_leaks(board["leaks"]), *(f"- {note}" for note in board["notes"])])
    rows = [_row(board, trial) for trial in board["trials"]]
    room = LENGTH - len("\n".join(head)) - len(tail) - 100
    shown: list[str] = []
    while len(shown) < len(rows) and room >= len(rows[len(shown)]):
        room -= len(rows[len(shown)]) + 1
        shown.append(rows[len(shown)])
    more = [f"\n... and {len(rows) - len(shown)} more"] if len(shown) < len(rows) else []
    title = f"**{board['sweep']}** ({board['status']}): {board['measure']} on dev, best epoch of each trial\n"
    return "\n".join([title, *head, *shown, *more, tail])[:LENGTH]


def _table(columns: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]


def _row(board: Mapping[str, Any], trial: Mapping[str, Any]) -> str:
    cold = trial["figures"].get("cold", {}).get(board["measure"].split(" ")[-1])
    diagnoses = ", ".join(trial["diagnoses"])
    cells = [f"{trial['trial']:04d}", trial["system"], trial["outcome"], str(trial["epochs"])]
    return f"| {' | '.join([*cells, _number(trial['value']), _number(cold), diagnoses])} |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _floors(board: Mapping[str, Any]) -> list[str]:
    """The figures that a trial has to beat, and those that it cannot."""
    measure = board["measure"].split(" ")[-1]
    lines = []
    for kind, by_name in (("floor", board["floor_figures"]), ("ceiling", board["ceiling_figures"])):
        for name, views in by_name.items():
            parts = [f"{view} {_number(values.get(measure))}" for view, values in views.items() if measure in values]
            lines.append(f"- {kind} `{name}`: {', '.join(parts)}")
    return lines


def _leaks(leaks: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"- leaks of {leak['split']} into {leak['other']}: {leak['near']} of {leak['queries']} queries are "
        f"near-duplicates, {leak['queries_shared']} share a judged document"
        for leak in leaks
        if leak["near"] or leak["queries_shared"]
    ]
