"""Every time that the test split of a task was opened, by whichever sweep of these mlruns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nvf.errors import JournalError
from nvf.journal.folders import SweepFolder
from nvf.journal.kinds import Confirmed, Event, RunFileWritten, SealOpened, SweepStarted


@dataclass(frozen=True, slots=True)
class Opening:
    """One look at test, in seconds since 1970: whose journal says so, and what it was for.

    `judged` says whether it shows what had not been judged: a confirmation does, and a run file of what was trained on
    another task; one of a model that was confirmed on it does not.
    """

    at: float
    sweep: str
    what: str
    judged: bool


def openings(fingerprint: str, own: SweepFolder | None = None) -> list[Opening]:
    """Return the openings of the task of this fingerprint, the first one first; a damaged journal tells of none.

    `own` is one of the sweeps, whose journal was read already.
    """
    found: list[Opening] = []
    for sweep in SweepFolder.all():
        try:
            events = (own if own is not None and own.path == sweep.path else sweep).events()
        except JournalError:
            continue
        found += _of(sweep.name, events, fingerprint)
    return sorted(found, key=lambda each: each.at)


def _of(name: str, events: Sequence[Event], fingerprint: str) -> Iterator[Opening]:
    """Yield what one journal tells of the task: its sweep may have trained on it, or been judged on it besides."""
    home = bool(events) and isinstance(events[0], SweepStarted) and events[0].task.fingerprint == fingerprint
    where = "" if home else ", which were trained on another task"
    done = [(event.confirmation, event.result) for event in events if isinstance(event, Confirmed)]
    besides = {
        number for number, result in done if result and result.evaluate and fingerprint in result.evaluate.fingerprints
    }
    for event in events:
        if isinstance(event, SealOpened) and (home or event.confirmation in besides):
            trials = ", ".join(f"{number:04d}" for number in event.finalists)
            what = f"confirmation {event.confirmation}, of trials {trials}{where}"
            yield Opening(event.t, name, what, judged=True)
        elif isinstance(event, RunFileWritten) and (event.task.fingerprint == fingerprint if event.task else home):
            what = f"run file of version {event.version} of {event.model}"
            yield Opening(
                event.t, name, what + ("" if home else ", which was trained on another task"), judged=not home
            )
