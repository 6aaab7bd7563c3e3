"""Trials that fail the same way: after a few of them the sweep is at fault, and not the settings."""

from __future__ import annotations

import re
from collections import Counter

SAME = 3
"""So many trials of one system fail the same way, none having ended otherwise between them, before the sweep stops."""
DIVERGED = "Diverged: "


class Failures:
    """Counts what fails in the same way; a trial that ends otherwise clears its system."""

    def __init__(self) -> None:
        self._count: Counter[tuple[str, str]] = Counter()

    def clear(self, system: str) -> None:
        """Take note that a trial of `system` did not fail."""
        for key in [key for key in self._count if key[0] == system]:
            del self._count[key]

    def add(self, system: str, error: str) -> str | None:
        """Take note of a failure; returns what to say once it was one too many, else None.

        A loss that diverges is the setting's doing, and is not counted.
        """
        if error.startswith(DIVERGED):
            return None
        key = system, _signature(error)
        self._count[key] += 1
        if self._count[key] < SAME:
            return None
        return f"{SAME} trials of {system} failed the same way, and so would the next: {error.strip().splitlines()[-1]}"


def _signature(error: str) -> str:
    """Return what a failure has in common with others like it: where it was raised, or its text but for numbers."""
    places = re.findall(r'File "([^"]+)", line (\d+)', error)
    return ":".join(places[-1]) if places else re.sub(r"[\d.]+", "0", error)
