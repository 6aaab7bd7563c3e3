"""What a paired comparison says: better, worse, or undecided. One rule for every table, gate and card."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, inf, isfinite
from statistics import NormalDist
from typing import Annotated, Literal

from pydantic import BeforeValidator

ALPHA = 0.05
"""A difference from 0 is claimed only where its p lies below; intervals are of level 1 - `ALPHA`."""
POWER = 0.8
"""The chance to decide that a number of queries is named for."""

SMALLEST = 0.0001
"""Smaller p are printed as smaller than this."""

Outcome = Literal["better", "worse", "undecided"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One system's figure minus another's, over the same queries, as `nvf.measures.significance` compares them.

    Attributes
    ----------
    queries
        How many.
    difference
        Mean over the queries and the trainings.
    low, high
        Its 95 % interval; infinite where it is open, which JSON holds as null.
    p
        Probability of a mean at least so far from 0 if the two were the same, two-sided. It lies below 0.05 where the
        interval excludes 0; beside several finalists it is adjusted (Holm), which the interval is not.
    seeds
        Over how many trainings. Of one, interval and p cover the queries alone.
    seed_share
        The share of the variance of the difference that comes from the seeds, in [0, 1]: more queries leave it.
    """

    queries: int
    difference: float
    low: Annotated[float, BeforeValidator(lambda end: -inf if end is None else end)]
    high: Annotated[float, BeforeValidator(lambda end: inf if end is None else end)]
    p: float
    seeds: int = 1
    seed_share: float = 0.0

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

    def turned(self) -> Comparison:
        """Return the other system's figure minus the one's."""
        return replace(self, difference=-self.difference, low=-self.high, high=-self.low)

    @property
    def interval(self) -> str:
        """The 95 % interval as it is printed.

        >>> Comparison(1, 0.0162, 0.005, inf, 1.0).interval
        '[+0.0050, open]'
        """
        low, high = (f"{end:+.4f}" if isfinite(end) else "open" for end in (self.low, self.high))
        return f"[{low}, {high}]"

    def __str__(self) -> str:
        """Return the difference with its interval."""
        return f"{self.difference:+.4f} {self.interval}"

    @property
    def disagree(self) -> bool:
        """Whether the interval excludes 0 and the test does not, or the other way about."""
        return (self.low > 0 or self.high < 0) != (self.p < ALPHA)

    def needed(self, margin: float) -> int | None:
        """Return about how many queries would decide with a chance of `POWER`; None where no number would.

        To decide is to take the interval to one side of `margin`, or, where it lies there already, p below `ALPHA`.
        This difference and these spreads are taken as the true ones, over as many seeds.
        """
        half, distance = (self.high - self.low) / 2, abs(self.difference - margin)
        if half == inf or distance == 0:
            return None
        normal = NormalDist()
        asked = normal.inv_cdf(1 - ALPHA / 2)
        seen = asked * distance / half if self.low <= margin <= self.high else normal.inv_cdf(1 - self.p / 2)
        left = (seen / (asked + normal.inv_cdf(POWER))) ** 2 - self.seed_share
        return ceil(self.queries * (1 - self.seed_share) / left) if left > 0 else None

    def enough(self, margin: float) -> str:
        """Return in words what would decide an undecided comparison; nothing where nothing is known to.

        >>> Comparison(300, 0.005, -0.015, 0.025, 0.6).enough(0.0)
        'about 9,808 would decide (80 % power)'
        """
        queries = self.needed(margin)
        if queries is not None:
            return f"about {queries:,} would decide ({POWER:.0%} power)".replace("%", " %")
        return "it takes more seeds" if replace(self, seed_share=0.0).needed(margin) is not None else ""


def probability(p: float) -> str:
    """Return p as it is printed.

    >>> probability(0.0412), probability(1e-9)
    ('0.041', '<0.0001')
    """
    return f"{p:.2g}" if p >= SMALLEST else f"<{SMALLEST}"
