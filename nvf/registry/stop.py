"""Ending what runs on a sweep, gracefully: its driver, or its confirmation."""

from __future__ import annotations

import os
import platform
import signal
from dataclasses import dataclass

from nvf.errors import SweepError
from nvf.journal import owner
from nvf.journal.folders import SweepFolder
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
    sweep = SweepFolder.find(name)
    if not sweep.running():
        raise SweepError(f"sweep '{name}' is not running")
    at, signed = owner.of(sweep.path), sweep.path / owner.FILE
    if at is None:
        raise SweepError(
            f"sweep '{name}' is running, but {signed} does not say where: find its process there with "
            f"fuser {sweep.journal}, and end it with SIGTERM"
        )
    work = f"the {at.work} of sweep '{name}'" if at.work != "sweep" else f"sweep '{name}'"
    if at.work not in STOPPED:
        raise SweepError(f"nothing to stop: {work}, in {at}, takes a moment and ends by itself")
    if at.host != platform.node():
        raise SweepError(f"{work} runs on {at.host}: stop process {at.pid} there with SIGTERM")
    if not at.here():
        raise SweepError(
            f"{work} runs, but not in process {at.pid}, which {signed} names: find it with "
            f"fuser {sweep.journal}, and end it with SIGTERM"
        )
    again = goes_on(sweep.state()) if at.work == "confirmation" else resumes(sweep.state())
    if at.pid != os.getpid() or not signals.interrupt():
        os.kill(at.pid, signal.SIGTERM)
    return Stopped(at.pid, work, again)
