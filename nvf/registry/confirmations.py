"""The confirmations of a sweep, folded from its journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from nvf.journal import cold
from nvf.journal.events import Event
from nvf.measures.objective import Objective


@dataclass(frozen=True, slots=True)
class Part:
    """One training of a finalist.

    Attributes
    ----------
    trial
        The finalist.
    place
        Which of the seeds, from 0; the same place has the same seed and the same draw for every finalist.
    withheld
        Whether the cold share is withheld from it, or all judgements are there.
    seed, cold_seed
        Of the training, and of the draw of withheld documents (None where there is none).
    """

    trial: int
    place: int
    withheld: bool
    seed: int
    cold_seed: int | None

    def to_json(self) -> dict[str, Any]:
        """Return the part as plain data."""
        return asdict(self)


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
        When it came out, in seconds since 1970.
    """

    number: int
    finalists: list[int]
    seeds: int
    cold_by: str = cold.RULE
    model: str | None = None
    replicates: dict[Part, Event] = field(default_factory=dict)
    opened: bool = False
    result: dict[str, Any] | None = None
    at: float = 0.0


def confirmations(events: Sequence[Event]) -> list[Confirmation]:
    """Return the confirmations of a sweep as journaled, in order."""
    found: list[Confirmation] = []
    for event in events:
        match event["kind"]:
            case "confirmation_started":
                rule = event.get("cold_by", cold.OLDER)
                found.append(
                    Confirmation(event["confirmation"], event["finalists"], event["seeds"], rule, event.get("model"))
                )
            case "replicate" if event["error"] is None:
                found[-1].replicates[Part(**event["part"])] = event
            case "test_opened":
                found[-1].opened = True
            case "confirmed":
                found[-1].result, found[-1].at = event["result"], event["t"]
    return found


def last_result(events: Sequence[Event]) -> Mapping[str, Any] | None:
    """Return what the last confirmation that came to its end found, as `nvf confirm --json` prints it, or None."""
    return next((each.result for each in reversed(confirmations(events)) if each.result is not None), None)


def leading(result: Mapping[str, Any], objective: Objective) -> Mapping[str, Any] | None:
    """Return the finalist that is promoted: the best on dev by the mean over its seeds. Test chooses nothing."""
    judged = [row for row in result["finalists"] if row["dev"]["mean"] is not None]
    return max(judged, key=lambda row: row["dev"]["mean"] * objective.sign, default=None)
