"""Small pieces of Markdown: tables, bullets, figures, dates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    r"""Return a table; a bar within a cell would end it, and is escaped.

    >>> print(table(("a", "b"), [(1, "x|y")]))
    | a | b |
    | --- | --- |
    | 1 | x\|y |
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def bullets(lines: Iterable[str]) -> str:
    """Return a list, one line each."""
    return "\n".join(f"- {line}" for line in lines)


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
