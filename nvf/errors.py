"""One tree of errors: whatever a user can cause is an `NvfError`, with what was wrong, the value, and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NvfError(Exception):
    """Base of every error that nvf raises on purpose; `exit_code` is what the command line leaves with."""

    exit_code = 1


class UsageError(NvfError):
    """The user asked for something that cannot be: wrong usage or an invalid file."""

    exit_code = 2


class SpecError(UsageError):
    """A sweep file that does not validate."""


class TaskError(UsageError):
    """Data that cannot be searched: missing, malformed, empty or inconsistent."""


class EncoderError(UsageError):
    """An encoder that cannot be found or loaded."""


class ParamsError(UsageError):
    """A parameter set with an unknown key or a value out of bounds."""


class MeasureError(UsageError):
    """A measure that does not parse."""


class PluginError(UsageError):
    """Something of another package that does not load, or is not what it is offered as."""


class CheckpointError(NvfError):
    """A checkpoint that is missing, damaged, or belongs to something else."""


class Diverged(NvfError):
    """A loss that is no longer a finite number."""


class JournalError(NvfError):
    """A journal that is missing, damaged, locked, or of another format."""


class SweepError(NvfError):
    """A sweep that cannot start, go on, or be found."""


class DeviceError(SweepError):
    """A GPU that is asked for and that torch does not see."""


class UnknownName(SweepError):
    """A sweep or a trial that is not there."""

    exit_code = 2


class TrackingError(NvfError):
    """A tracking server or registry that does not answer, or answers with a failure."""


class StorageError(NvfError):
    """An object store that does not answer, refuses, or does not hold what was asked for."""


class GateRefused(NvfError):
    """A gate said no."""

    exit_code = 3


class PromotionLost(NvfError):
    """An alias that somebody else moved first."""

    exit_code = 3


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest known name, else the list of known names.

    >>> nearest("temprature", ["temperature", "lr"])
    "; did you mean 'temperature'?"
    >>> nearest("zzz", ["temperature", "lr"])
    '; known: lr, temperature'
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(known)}" if known else ""
