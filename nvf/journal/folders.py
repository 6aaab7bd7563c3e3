"""The folder of a sweep: what lies in it, who is at work on it, and its journal, each line of which is read once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from nvf import paths
from nvf.errors import JournalError, UnknownName, nearest

if TYPE_CHECKING:
    from nvf.journal.events import Journal, Tail
    from nvf.journal.kinds import Event
    from nvf.journal.replay import SweepState

FILE = "journal.jsonl"
"""The journal, in the folder of its sweep."""


class JustBegun(JournalError):
    """A sweep of which nothing is journaled yet: its driver is about to."""


class SweepFolder:
    """A sweep by its folder, which may not be there yet.

    Attributes
    ----------
    path, name
        The folder, and the sweep's name.
    journal, spec, study
        Files: of events, the sweep file, the study for optuna-dashboard.
    checkpoints, replicates
        Folders: of the checkpoints of trials, and of what confirmations trained.
    tracked
        File that is locked by the one process that writes the sweep to MLflow.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name
        self.journal, self.spec, self.study = path / FILE, path / "spec.yaml", path / "optuna.db"
        self.checkpoints, self.replicates = path / "checkpoints", path / "confirmed"
        self.tracked = path / "mlflow.lock"
        self._tail: Tail | None = None
        self._events: list[Event] = []

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the folder of the sweep called `name`, whether it is there or not."""
        return cls(paths.sweep(name))

    @classmethod
    def find(cls, name: str) -> Self:
        """Return the folder of the sweep called `name`, or raise `UnknownName` with the nearest name."""
        if name not in names():
            raise UnknownName(f"there is no sweep '{name}' in {paths.sweeps()}{nearest(name, names())}")
        return cls.named(name)

    @classmethod
    def all(cls) -> Iterator[Self]:
        """Yield the folders of all sweeps, in the order of their names."""
        return map(cls.named, names())

    def events(self) -> list[Event]:
        """Return the events of the journal, without locking it; a second time only what is new is read.

        Raises
        ------
        JournalError
            Where there is no journal, or a damaged one.
        """
        from nvf.journal.events import Tail

        self._tail = self._tail or Tail(self.path)
        try:
            self._events += self._tail.new(-1)
        except JournalError:
            if not self._events:
                raise
            self._tail, self._events = None, []  # another sweep took its place: read from the beginning
            return self.events()
        return [*self._events]

    def state(self) -> SweepState:
        """Return the sweep as its journal has it; raises as `events` does, and `JustBegun` where that is empty yet."""
        from nvf.journal.replay import replay

        found = self.events()
        if not found and self.running():
            raise JustBegun(f"sweep '{self.name}' is just beginning: look again in a moment")
        return replay(found)

    def write(self, work: str = "sweep") -> Journal:
        """Return the journal to go on with; see `nvf.journal.events.Journal.open`."""
        from nvf.journal.events import Journal, Tail

        self._tail = self._tail or Tail(self.path)
        journal, new = Journal.open(self.path, work, self._tail)
        self._events += new
        return journal

    def clear(self, journal: Journal) -> None:
        """Take back all that is in the journal, so that another sweep can begin here."""
        journal.clear()
        self._tail, self._events = None, []

    def running(self) -> bool:
        """Return whether a driver, or a confirmation, holds the journal."""
        with self.journal.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Wait until no other promotion is at the journal; yield whether nobody else is at it either."""
        from filelock import FileLock

        with FileLock(self.path / ".promoting.lock"):
            yield not self.running()

    def inside(self, relative: str) -> Path:
        """Return what lies at `relative`, as the journal gives it.

        Raises
        ------
        JournalError
            Where it leads out of the folder.
        """
        path = self.path / relative
        if not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(self.path)):
            raise JournalError(f"{self.journal} names {relative!r}, outside of its folder; nothing there is read")
        return path


def names() -> list[str]:
    """Return the names of all sweeps, in order."""
    return sorted(path.parent.name for path in paths.sweeps().glob(f"*/{FILE}"))
