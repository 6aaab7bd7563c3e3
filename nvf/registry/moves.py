"""A move of an alias, as the history of a registered model keeps it, and as its description tells it to people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from nvf.journal.facts import Absent, Text, Whole
from nvf.text import GAP, head, number, row, when

HEAD = "Retrievers found by nvf."
LENGTH = 4_500
"""Characters; MLflow's databases keep 5,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """Of a promotion: sweep, trial, system, and its first figures on dev or test; of a rollback: why."""

    sweep: Text = None
    trial: Whole = None
    system: Text = None
    figures: Annotated[dict[str, float] | None, Absent] = None
    reason: Text = None


NOTHING = Detail()


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One move of an alias.

    Attributes
    ----------
    number
        From 1, without gaps.
    kind
        promote or rollback.
    before, after
        The versions that the alias pointed to, and points to now; `before` is None at the first.
    at
        Seconds since 1970.
    who
        user@host.
    forced
        The reason, where a gate was overruled.
    detail
        More on it.
    """

    number: int
    kind: str
    before: int | None
    after: int
    at: float
    who: str
    forced: str | None = None
    detail: Detail = NOTHING


def introduction(model: str, moves: Sequence[tuple[str, Move]]) -> str:
    """Return the description of `model`, given the moves of its aliases: the last ones, as far as there is room."""
    rows = [row(_cells(alias, move), GAP) for alias, move in sorted(moves, key=lambda pair: -pair[1].at)]
    first = head(("when (UTC)", "alias", "version", "move", "trial", "figure", "who"), GAP)
    start = f"{HEAD} A version's page is its card: figures, floors, gates. What its aliases did, the last move first:\n"
    end = f"\nAll moves: `nvf history {model}`; back to the version before: `nvf rollback {model}`"
    room = LENGTH - len("\n".join((start, *first, end)))
    while rows and len("\n".join(rows)) > room:
        rows.pop()
    return "\n".join((start, *first, *rows, end))


def _cells(alias: str, move: Move) -> list[str]:
    trial = f"{move.detail.sweep}/{move.detail.trial:04d}" if move.detail.sweep else "-"
    name, value = next(iter((move.detail.figures or {}).items()), ("", None))
    figure = f"{name} {number(value)}" if name else "-"
    version = f"{move.before or '-'} to {move.after}"
    kind = move.kind + " (forced)" * (move.forced is not None)
    return [when(move.at), alias, version, kind, trial, figure, move.who]
