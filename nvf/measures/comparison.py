"""What a paired comparison says: better, worse, or undecided. One rule for every table, gate and card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf
from statistics import NormalDist
from typing import Any, Literal

ALPHA = 0.05
"""A difference from 0 is claimed only where its p lies below."""

Outcome = Literal["better", "worse", "undecided"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One system's figure minus another's, over the same queries.

    Attributes
    ----------
    queries
        How many.
    difference
        Mean over the queries.
    low, high
        Its 95 % interval: the percentile bootstrap over queries; infinite where it is open.
    p
        Probability of a mean at least so far from 0 if the two were the same: the two-sided randomisation test, in
        which every query's difference keeps or changes its sign. Never below 1 / (draws + 1). Beside several finalists
        it is adjusted (Holm), which the interval is not.
    """

    queries: int
    difference: float
    low: float
    high: float
    p: float

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Comparison:
        """Return a comparison as journaled: JSON has no infinity, and holds None for an end that is open."""
        low, high = line["low"], line["high"]
        return cls(
            line["queries"], line["difference"], -inf if low is None else low, inf if high is None else high, line["p"]
        )

    def outcome(self, margin: float = 0.0) -> Outcome:
        """Return `better` or `worse` than `margin` (0 or less), or `undecided`.

        The interval and the test must agree: the whole interval lies on one side of the margin, and where that says
        the difference is not 0, p lies below `ALPHA`.

        >>> Comparison(300, -0.03, -0.05, -0.01, 0.2).outcome(), Comparison(300, 0.0, -0.01, 0.01, 0.9).outcome(-0.02)
        ('undecided', 'better')
        """
        differs = self.p < ALPHA
        if self.low > margin and (differs or margin < 0):
            return "better"
        return "worse" if self.high < margin and differs else "undecided"

    @property
    def disagree(self) -> bool:
        """Whether the interval excludes 0 and the test does not, or the other way about."""
        return (self.low > 0 or self.high < 0) != (self.p < ALPHA)

    def needed(self, margin: float) -> int | None:
        """Return about how many queries would decide, at this difference and spread; None where no number would.

        Those that take the interval to one side of `margin`, or, where it lies there already, those that take p below
        `ALPHA`.
        """
        half, distance = (self.high - self.low) / 2, abs(self.difference - margin)
        if half == inf or distance == 0:
            return None
        if self.low <= margin <= self.high:
            return ceil(self.queries * (half / distance) ** 2)
        if self.p >= 1:
            return None
        asked, seen = (NormalDist().inv_cdf(1 - p / 2) for p in (ALPHA, self.p))
        return ceil(self.queries * (asked / seen) ** 2)
