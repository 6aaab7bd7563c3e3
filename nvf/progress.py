"""How far something long is: a bar with clock and time left on a terminal, now and then a plain line elsewhere.

Nothing is shown unless somebody asks for it: `with reporting(show): ...`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

Advance = Callable[[int], None]
"""Takes how many more are done."""
Progress = Callable[[str, int], AbstractContextManager[Advance]]
"""Takes what is done and how many there are, and gives an `Advance` for as long as it lasts."""

SECONDS_BETWEEN_LINES = 10.0
MOST_SECONDS_BETWEEN_LINES = 60.0


class Pace:
    """How fast something goes: what is done after how many seconds, and when the next plain line is due.

    The pace is taken from the first report on, for what comes before it (a cluster that starts) comes once.
    """

    def __init__(self, before: float = 0.0) -> None:
        """Begin now, where `before` was done already."""
        self._began = self._printed = time.monotonic()
        self._done = self._before = before
        self._after = 0.0
        self._first: tuple[float, float] | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def reached(self, done: float) -> None:
        """Take down that so much is done by now."""
        if done > self._done:
            self._done, self._after = done, self.elapsed
            self._first = self._first or (self._after, done)

    def left(self, total: float, *, roughly: bool = True) -> str:
        """Return `about 0:45 left`, or nothing where that is not known; `roughly`: from a single report, too."""
        if self._first is None or self._done >= total:
            return ""
        began, before = self._first if self._done > self._first[1] else (0.0, self._before)
        if not began and not roughly:
            return ""
        pace = (self._after - began) / (self._done - before)
        return f"about {clock(max(0.0, pace * (total - self._done) - (self.elapsed - self._after)))} left"

    def due(self) -> bool:
        """Return whether a line is due (every ten seconds at first, every minute later), and take it as printed."""
        pause = min(max(SECONDS_BETWEEN_LINES, self.elapsed / 10), MOST_SECONDS_BETWEEN_LINES)
        if time.monotonic() - self._printed < pause:
            return False
        self._printed = time.monotonic()
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


_how: ContextVar[Progress] = ContextVar("progress", default=quiet)


def reported(what: str, total: int) -> AbstractContextManager[Advance]:
    """Report as `reporting` says, and without it not at all."""
    return _how.get()(what, total)


@contextmanager
def reporting(how: Progress) -> Iterator[None]:
    """Report everything within by `how`."""
    token = _how.set(how)
    try:
        yield
    finally:
        _how.reset(token)


@contextmanager
def _bar(what: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    pace, sofar = Pace(), 0

    class Left(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(pace.left(total))

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        Left(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task(what, total=total)

        def advance(done: int) -> None:
            nonlocal sofar
            sofar += done
            pace.reached(sofar)
            bar.update(task, advance=done)

        yield advance


@contextmanager
def _lines(what: str, total: int) -> Iterator[Advance]:
    pace, sofar = Pace(), 0

    def advance(done: int) -> None:
        nonlocal sofar
        sofar += done
        pace.reached(sofar)
        if pace.due() or (sofar == total and pace.elapsed >= SECONDS_BETWEEN_LINES):
            end = pace.left(total) or f"done in {clock(pace.elapsed)}"
            print(f"{what}: {sofar:,} of {total:,}, {end}", file=sys.stderr, flush=True)

    yield advance
