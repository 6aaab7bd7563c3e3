"""What two runs of one sweep have in common: everything but the clock and the machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nvf.plain import plain


def same(values: Iterable[Any]) -> list[Any]:
    """Return events, or rows of any kind, as plain data without what depends on the clock."""
    return [_without_clock(plain(value)) for value in values]


def _without_clock(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_clock(inner) for name, inner in value.items() if name not in ("t", "clock")}
    if isinstance(value, list):
        return [_without_clock(inner) for inner in value]
    return value
