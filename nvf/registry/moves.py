"""A move of an alias, as the history of a registered model keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from nvf.journal.facts import Absent, Text, Whole


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
