"""Every time that the test split of a task was opened, by whichever sweep of these mlruns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nvf.errors import JournalError
from nvf.journal import folders
from nvf.journal.events import Event, read


@dataclass(frozen=True, slots=True)
class Opening:
    """One look at test.

    Attributes
    ----------
    at
        Seconds since 1970.
    sweep
        Whose journal says so.
    what
        What for.
    judged
        Whether it shows what had not been judged: a confirmation does, and a run file of what was trained on another
        task; one of a model that was confirmed on it does not.
    """

    at: float
    sweep: str
    what: str
    judged: bool


def openings(fingerprint: str) -> list[Opening]:
    """Return the openings of the task of this fingerprint, the first one first; a damaged journal tells of none."""
    found: list[Opening] = []
    for name in folders.names():
        try:
            events = read(folders.find(name))
        except JournalError:
            continue
        found += _of(name, events, fingerprint)
    return sorted(found, key=lambda each: each.at)


def _of(name: str, events: Sequence[Event], fingerprint: str) -> Iterator[Opening]:
    """Yield what one journal tells of the task: its sweep may have trained on it, or been judged on it besides."""
    home = bool(events) and events[0]["task"]["fingerprint"] == fingerprint
    besides = {
        event["confirmation"]
        for event in events
        if event["kind"] == "confirmed" and fingerprint in event["result"].get("evaluate", {}).get("fingerprints", ())
    }
    for event in events:
        if event["kind"] == "test_opened" and (home or event["confirmation"] in besides):
            trials = ", ".join(f"{number:04d}" for number in event["finalists"])
            where = "" if home else ", which were trained on another task"
            yield Opening(
                event["t"], name, f"confirmation {event['confirmation']}, of trials {trials}{where}", judged=True
            )
        elif event["kind"] == "test_run" and (event["task"]["fingerprint"] == fingerprint if "task" in event else home):
            what = f"run file of version {event['version']} of {event['model']}"
            where = "" if home else ", which was trained on another task"
            yield Opening(event["t"], name, f"{what}{where}", judged=not home)
