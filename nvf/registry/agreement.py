"""Two records of one epoch, figure by figure: equal to the bit, close, or different."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nvf.training.record import Record

TOLERANCE = 1e-3
"""Far above what summing in another order does, far below what another seed does: without vector instructions `linear`
on NFCorpus differs by 1e-8, with another seed by 7e-3 (measured November 2026, docs/reproduce.md)."""
SHOWN = 10
"""How many of the differences are told, the largest first."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that came out otherwise, such as `figures.all.nDCG@10` or `losses.contrastive`: then and now.

    None stands for what is not a finite number, or not there.
    """

    epoch: int
    figure: str
    journaled: float | None
    found: float | None

    @property
    def size(self) -> float:
        """The difference, as a share of the journaled figure where that is above 1; infinite where one is missing."""
        if self.journaled is None or self.found is None:
            return math.inf
        return abs(self.found - self.journaled) / max(1.0, abs(self.journaled))


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the figures of two trainings compare: how many of them differ, and the largest of those differences.

    The verdict is equal (every figure, to the bit), close (all within the tolerance) or different.
    """

    verdict: str
    tolerance: float
    figures: int
    differing: int
    differences: list[Difference]


def compare(journaled: Sequence[Record], found: Sequence[Record], tolerance: float = TOLERANCE) -> Agreement:
    """Return how the figures in `found` compare with those `journaled`, a record for each epoch in both.

    A figure that was not journaled, as of a newer nvf, is not looked at; one that is missing now is different.

    >>> before, now = ({"a": 0.5}, {"a": 0.5, "b": 1.0})
    >>> compare([Record(epoch=1, losses=before, figures={})], [Record(epoch=1, losses=now, figures={})]).verdict
    'equal'
    """
    differences, count = [], 0
    for before, now in zip(journaled, found, strict=True):
        figures = dict(_figures(now))
        for name, value in _figures(before):
            count += 1
            if name not in figures or figures[name] != value:
                differences.append(Difference(before.epoch, name, value, figures.get(name)))
    differences.sort(key=lambda each: -each.size)
    close = not differences or differences[0].size <= tolerance
    verdict = "equal" if not differences else "close" if close else "different"
    return Agreement(verdict, tolerance, count, len(differences), differences[:SHOWN])


def _figures(record: Record) -> Iterator[tuple[str, float | None]]:
    """Yield what is compared: all but the clock, and the diagnoses, which follow from the rest."""
    views = {f"figures.{view}": by for view, by in record.figures.items()}
    parts = {"losses": record.losses, **views, "held_out": record.held_out, "statistics": record.statistics}
    for part, values in parts.items():
        for name, value in values.items():
            yield f"{part}.{name}", value if math.isfinite(value) else None
