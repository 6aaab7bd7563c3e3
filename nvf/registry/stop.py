"""Ending what runs on a sweep, gracefully: its driver, or its confirmation."""

from __future__ import annotations

import os
import platform
import signal
from dataclasses import dataclass

from nvf.errors import SweepError
from nvf.journal import events, owner
from nvf.journal.folders import find, running
from nvf.journal.replay import replay
from nvf.registry.next_steps import goes_on, resumes
from nvf.sweep import signals

STOPPED = ("sweep", "confirmation")
"""What may be: it goes on."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """What was asked to end.

    Attributes
    ----------
    pid
        Of the process.
    work
        What it is at, in words.
    again
        The command that goes on with it.
    """

    pid: int
    work: str
    again: str


def stop(name: str) -> Stopped:
    """Ask the process that is at work on a sweep to end; it does so in its own time.

    Raises `SweepError` where nothing runs, or nothing that may be stopped from here.
    """
    folder = find(name)
    if not running(folder):
        raise SweepError(f"sweep '{name}' is not running")
    at = owner.of(folder)
    if at is None:
        raise SweepError(
            f"sweep '{name}' is running, but {folder / owner.FILE} does not say where: find its process there with "
            f"fuser {folder / events.FILE}, and end it with SIGTERM"
        )
    work = f"the {at.work} of sweep '{name}'" if at.work != "sweep" else f"sweep '{name}'"
    if at.work not in STOPPED:
        raise SweepError(f"nothing to stop: {work}, in {at}, takes a moment and ends by itself")
    if at.host != platform.node():
        raise SweepError(f"{work} runs on {at.host}: stop process {at.pid} there with SIGTERM")
    if not at.here():
        raise SweepError(
            f"{work} runs, but not in process {at.pid}, which {folder / owner.FILE} names: find it with "
            f"fuser {folder / events.FILE}, and end it with SIGTERM"
        )
    found = events.read(folder)
    again = goes_on(name, found) if at.work == "confirmation" else resumes(replay(found))
    if at.pid != os.getpid() or not signals.interrupt():
        os.kill(at.pid, signal.SIGTERM)
    return Stopped(at.pid, work, again)
