"""How far an encode is: a bar with an estimate on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Advance = Callable[[int], None]
"""Takes how many more are done."""
Progress = Callable[[str, int], AbstractContextManager[Advance]]
"""Takes what is done and how many there are, and gives an `Advance` for as long as it lasts."""

SECONDS_BETWEEN_LINES = 10.0


def show(what: str, total: int) -> AbstractContextManager[Advance]:
    """Report on stderr, which leaves stdout to what a program prints."""
    return _bar(what, total) if sys.stderr.isatty() else _lines(what, total)


@contextmanager
def quiet(what: str, total: int) -> Iterator[Advance]:
    """Report nothing."""
    yield lambda done: None


@contextmanager
def _bar(what: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


@contextmanager
def _lines(what: str, total: int) -> Iterator[Advance]:
    started = last = time.monotonic()
    sofar = 0

    def advance(done: int) -> None:
        nonlocal sofar, last
        sofar += done
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            left = (now - started) / sofar * (total - sofar)
            print(f"{what}: {sofar:,} of {total:,}, about {left:.0f} s left", file=sys.stderr, flush=True)

    yield advance
