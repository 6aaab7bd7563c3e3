"""Who writes a journal, for those who come second. The lock itself is the kernel's, and dies with its owner."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from nvf import atomic

FILE = "owner.json"


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that took the lock last: since when, in seconds since 1970, and for what `work`.

    That is a sweep, a confirmation, a promotion or a run file.
    """

    host: str
    pid: int
    since: int
    work: str = "sweep"

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.since))
        return f"process {self.pid} on {self.host} since {since}"

    def here(self) -> bool:
        """Return whether this very process lives on this machine: its number may be another's by now."""
        import psutil

        try:
            return self.host == platform.node() and bool(psutil.Process(self.pid).create_time() <= self.since + 1)
        except psutil.Error:
            return False


def sign(folder: Path, work: str) -> None:
    """Write down that this process holds the journal in `folder` now."""
    owner = Owner(platform.node(), os.getpid(), round(time.time()), work)
    with contextlib.suppress(OSError):  # a full disk: the lock holds without it
        atomic.write(folder / FILE, json.dumps(asdict(owner), allow_nan=False))


def of(folder: Path) -> Owner | None:
    """Return who holds the journal in `folder`, or None where nobody signed, or not legibly."""
    try:
        owner = Owner(**json.loads((folder / FILE).read_text(encoding="utf-8")))
        str(owner)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return owner if isinstance(owner.pid, int) and owner.pid > 0 else None
