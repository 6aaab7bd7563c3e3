"""Small pieces of text for people: figures, dates, Markdown's tables and bullets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

GAP = "&emsp;"
"""Between the cells of a table in MLflow's UI, which draws it without any space."""


def number(value: float | None, form: str = ".4f") -> str:
    """Return a figure, or `-` where there is none.

    >>> number(0.25), number(None)
    ('0.2500', '-')
    """
    return "-" if value is None else format(value, form)


def when(at: float) -> str:
    """Return a moment, in seconds since 1970, in UTC.

    >>> when(0)
    '1970-01-01 00:00'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def row(cells: Iterable[Any], gap: str = "") -> str:
    r"""Return a line of a table, with `gap` behind what is in a cell; a bar within one would end it, and is escaped.

    >>> print(row((1, "x|y", "")))
    | 1 | x\|y |  |
    """
    told = (str(cell).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(cell + gap if cell else '' for cell in told)} |"


def head(names: Sequence[str], gap: str = "") -> list[str]:
    """Return the first two lines of a table."""
    return [row(names, gap), row(["---"] * len(names))]


def table(names: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table.

    >>> print(table(("a", "b"), [(1, 2)]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    return "\n".join([*head(names), *map(row, rows)])


def bullets(lines: Iterable[str]) -> str:
    """Return a list, one line each."""
    return "\n".join(f"- {line}" for line in lines)
