"""The confirmations of a sweep, folded from its journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nvf.journal import cold
from nvf.journal.facts import Part
from nvf.journal.kinds import ConfirmationStarted, Confirmed, Event, Replicated, SealOpened
from nvf.journal.result import ConfirmationResult


@dataclass(slots=True)
class Confirmation:
    """One confirmation as journaled so far.

    Attributes
    ----------
    number
        From 1.
    finalists, seeds
        What is confirmed, over how many seeds.
    cold_by
        The rule of its cold figures: `nvf.journal.cold`.
    model
        The registered model whose champion is judged besides; older journals name none.
    replicates
        What has been trained: the `replicate` events by part, failed ones left out.
    opened
        Whether test has been opened for it.
    result
        What came out, or None.
    at
        When it came to its end, in seconds since 1970, or None; without a result it was by a much older nvf.
    """

    number: int
    finalists: list[int]
    seeds: int
    model: str | None = None
    replicates: dict[Part, Replicated] = field(default_factory=dict)
    opened: bool = False
    result: ConfirmationResult | None = None
    at: float | None = None
    cold_by: str = cold.RULE


def confirmations(events: Sequence[Event]) -> list[Confirmation]:
    """Return the confirmations of a sweep as journaled, in order."""
    found: list[Confirmation] = []
    for event in events:
        match event:
            case ConfirmationStarted():
                rule = event.cold_by or cold.OLDER
                found.append(Confirmation(event.confirmation, event.finalists, event.seeds, event.model, cold_by=rule))
            case Replicated(error=None):
                found[-1].replicates[event.part] = event
            case SealOpened():
                found[-1].opened = True
            case Confirmed():
                found[-1].result, found[-1].at = event.result, event.t
    return found


def last_result(events: Sequence[Event]) -> ConfirmationResult | None:
    """Return what the last confirmation that came to its end found, or None."""
    return next((each.result for each in reversed(confirmations(events)) if each.at is not None), None)
