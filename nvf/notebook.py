"""What a notebook shows of something long: a line that renews itself, and is gone or stands still at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nvf.journal.replay import SweepState
from nvf.journal.underway import Underway
from nvf.progress import Advance, Pace, clock

OFTEN = 0.5
"""Seconds between two looks."""


def here() -> bool:
    """Return whether this code runs in a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")


class _Line:
    """One line of a cell's output."""

    def __init__(self) -> None:
        from IPython.display import display

        self._handle = display({"text/plain": ""}, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def show(self, text: str) -> None:
        self._handle.update({"text/plain": text}, raw=True)


def watch() -> Callable[[SweepState], None]:
    """Return what shows a sweep's state whenever it is called with one."""
    line, underway = _Line(), Underway()

    def shown(state: SweepState) -> None:
        if parts := underway.parts(state, OFTEN):
            line.show("  ".join(parts))

    return shown


@contextmanager
def report(what: str, total: int) -> Iterator[Advance]:
    """Show how far something is; a `Progress` of `nvf.progress`."""
    line, pace, done, last = _Line(), Pace(), 0, 0.0

    def advance(more: int) -> None:
        nonlocal done, last
        done += more
        pace.reached(done)
        if done == total or time.monotonic() - last > OFTEN:
            last = time.monotonic()
            left = pace.left(total)
            line.show(", ".join(part for part in (f"{what}: {done:,} of {total:,}", clock(pace.elapsed), left) if part))

    yield advance
