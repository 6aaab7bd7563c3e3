"""The confirmations of a sweep, folded from its journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nvf.journal.events import Event
from nvf.registry.finalists import Part


@dataclass(slots=True)
class Confirmation:
    """One confirmation as journaled so far.

    Attributes
    ----------
    number
        From 1.
    finalists, seeds
        What is confirmed, over how many seeds.
    replicates
        What has been trained: the `replicate` events by part, failed ones left out.
    opened
        Whether test has been opened for it.
    result
        What came out, or None.
    """

    number: int
    finalists: list[int]
    seeds: int
    replicates: dict[Part, Event] = field(default_factory=dict)
    opened: bool = False
    result: dict[str, Any] | None = None


def confirmations(events: Sequence[Event]) -> list[Confirmation]:
    """Return the confirmations of a sweep as journaled, in order."""
    found: list[Confirmation] = []
    for event in events:
        match event["kind"]:
            case "confirmation_started":
                found.append(Confirmation(event["confirmation"], event["finalists"], event["seeds"]))
            case "replicate" if event["error"] is None:
                found[-1].replicates[Part(**event["part"])] = event
            case "test_opened":
                found[-1].opened = True
            case "confirmed":
                found[-1].result = event["result"]
    return found
