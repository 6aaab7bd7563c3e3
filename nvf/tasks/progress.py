"""How far something long is: a bar with clock and time left on a terminal, now and then a plain line elsewhere."""

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
MOST_SECONDS_BETWEEN_LINES = 60.0


class Pace:
    """Says when the next plain line is due: every ten seconds at first, every minute in the end."""

    def __init__(self) -> None:
        self.began = self._last = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def due(self) -> bool:
        """Return whether a line is due, and take it as printed where it is."""
        pause = min(max(SECONDS_BETWEEN_LINES, self.elapsed / 10), MOST_SECONDS_BETWEEN_LINES)
        if time.monotonic() - self._last < pause:
            return False
        self._last = time.monotonic()
        return True


def clock(seconds: float) -> str:
    """Return a duration as a clock shows it.

    >>> clock(75.2), clock(3661)
    ('1:15', '1:01:01')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def show(what: str, total: int) -> AbstractContextManager[Advance]:
    """Report on stderr, which leaves stdout to what a program prints."""
    return _bar(what, total) if sys.stderr.isatty() else _lines(what, total)


@contextmanager
def quiet(what: str, total: int) -> Iterator[Advance]:
    """Report nothing."""
    yield lambda done: None


def _left(elapsed: float, done: int, total: int) -> str:
    return f"about {clock(elapsed / done * (total - done))} left" if 0 < done < total else ""


@contextmanager
def _bar(what: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    pace, sofar = Pace(), 0
    with RichProgress(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task(what, total=total, left="")

        def advance(done: int) -> None:
            nonlocal sofar
            sofar += done
            bar.update(task, advance=done, left=_left(pace.elapsed, sofar, total))

        yield advance


@contextmanager
def _lines(what: str, total: int) -> Iterator[Advance]:
    pace, sofar = Pace(), 0

    def advance(done: int) -> None:
        nonlocal sofar
        sofar += done
        if pace.due() or (sofar == total and pace.elapsed >= SECONDS_BETWEEN_LINES):
            end = _left(pace.elapsed, sofar, total) or f"done in {clock(pace.elapsed)}"
            print(f"{what}: {sofar:,} of {total:,}, {end}", file=sys.stderr, flush=True)

    yield advance
