"""A thread that follows a sweep's journal and writes it to MLflow; the sweep never waits for it, and never hears of it.

What it remembers is bounded: it takes the next events only when MLflow, or another tracker, has those before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from nvf.journal.events import Tail
from nvf.journal.folders import SweepFolder
from nvf.tracking.projection import Projection
from nvf.tracking.tracker import Tracker

POLL_SECONDS = 0.5
LONGEST_WAIT = 30.0
CHUNK_BYTES = 1 << 20


class Projector:
    """Writes a sweep to MLflow while it runs, or to what `connect` makes.

    That may raise, and is asked again later.
    """

    def __init__(self, sweep: SweepFolder, connect: Callable[[], Tracker] = Projection.connect) -> None:
        self._sweep = sweep
        self._connect = connect
        self._closing = threading.Event()
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nvf-mlflow", daemon=True)
        self._lock = FileLock(sweep.tracked, thread_local=False)
        self._taken = self._written = 0
        self._level = True
        self._answered = False
        self._link: str | None = None
        self._tail: Tail | None = None
        self._tracker: Tracker | None = None

    def start(self) -> None:
        """Begin to follow the journal."""
        self._thread.start()

    def link(self) -> str | None:
        """Return the tracker's address of the sweep, or None before there was anything to show."""
        return self._link

    def answered(self) -> bool:
        """Return whether the tracker ever answered."""
        return self._answered

    def close(self, timeout: float) -> int:
        """Write what is left, for at most `timeout` seconds; returns how many events are not written."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        self._given_up.set()
        return max(0, _lines(self._sweep.journal) - self._written)

    def _run(self) -> None:
        wait = POLL_SECONDS
        try:
            while not self._given_up.is_set():
                closing = self._closing.is_set()
                try:
                    moved = self._step(final=closing)
                    wait = 0.0 if moved else POLL_SECONDS
                    if closing and not moved:
                        return
                except Exception:  # whatever a server does, the sweep goes on: wait, and try again
                    wait = min(LONGEST_WAIT, max(POLL_SECONDS, wait * 2))
                if closing:
                    self._given_up.wait(min(wait, POLL_SECONDS))
                else:
                    self._closing.wait(wait)
        finally:
            self._lock.release()

    def _step(self, *, final: bool) -> bool:
        """Write the next events; returns whether there were any, or older ones that had to wait."""
        if self._tracker is None or self._tail is None:
            if not self._lock.is_locked:
                self._lock.acquire(timeout=0)
            self._tracker, self._tail = self._connect(), Tail(self._sweep.path)
            self._answered, self._taken, self._level = True, 0, True
        moved = not self._level
        if not moved:
            moved = self._take(self._tracker, self._tail)
        self._level = self._tracker.write(final=final)
        if self._level:
            self._written = self._taken
        self._link = self._link or self._tracker.link()
        return moved

    def _take(self, tracker: Tracker, tail: Tail) -> bool:
        try:
            events = tail.new(CHUNK_BYTES)
            self._level = not events
            self._taken += len(events)
            tracker.take(events)
        except Exception:
            self._tracker = self._tail = None  # half of the events may be folded in: begin again from the first
            raise
        return bool(events)


def _lines(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
