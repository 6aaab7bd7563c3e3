"""The sweep that is disturbed: the small one, long enough for things to happen to it."""

from __future__ import annotations

from nvf.journal import events
from tests.e2e.home import Home

LONG = {"trials: 20": "trials: 40"}


def lines(home: Home) -> int:
    """Return how many events of the sweep are journaled."""
    journal = home.sweep("small") / events.FILE
    return journal.read_bytes().count(b"\n") if journal.exists() else 0
