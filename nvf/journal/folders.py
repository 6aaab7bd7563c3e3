"""The folders of all sweeps: by name, and whether a driver is at work in one."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from nvf import paths
from nvf.errors import JournalError, UnknownName, nearest

FILE = "journal.jsonl"
"""The journal, in the folder of its sweep."""


def names() -> list[str]:
    """Return the names of all sweeps, in order."""
    return sorted(path.parent.name for path in paths.sweeps().glob(f"*/{FILE}"))


def find(name: str) -> Path:
    """Return the folder of the sweep called `name`, or raise `UnknownName` with the nearest name."""
    folder = paths.sweep(name)
    if name not in names():
        raise UnknownName(f"there is no sweep '{name}' in {paths.sweeps()}{nearest(name, names())}")
    return folder


def inside(folder: Path, relative: str) -> Path:
    """Return what lies at `relative` in the sweep's folder, as its journal has it; raises `JournalError` outside."""
    if not Path(os.path.normpath(folder / relative)).is_relative_to(os.path.normpath(folder)):
        raise JournalError(f"{folder / FILE} names {relative!r}, outside of its folder; nothing there is read")
    return folder / relative


def running(folder: Path) -> bool:
    """Return whether a driver holds the sweep's journal."""
    with (folder / FILE).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
