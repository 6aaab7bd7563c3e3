"""What a projector needs of a tracking server: three methods, of which MLflow's are in `nvf.tracking.projection`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from nvf.journal.kinds import Event


class Tracker(Protocol):
    """Shows one sweep somewhere else, as its journal has it.

    It gets every event once, in order, and no further ones before those are written. After a failure it may be made
    anew and get all events from the first one on: what is there already is found again, and not written twice.
    """

    def take(self, events: Iterable[Event]) -> None:
        """Remember what `events`, the next ones of the journal, change; asks no server."""

    def write(self, *, final: bool = False) -> bool:
        """Bring the server level with what was taken, and return whether it is; after an error, call it again.

        `final` asks for what may otherwise wait for a better moment, such as a summary. Raises what the server raises.
        """

    def link(self) -> str | None:
        """Return an address at which to look at the sweep, or None before there was an event."""
