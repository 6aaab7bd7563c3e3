"""What a sweep optimises on dev: a measure on all, clean or cold, or a latency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan
from typing import Protocol, TypeVar

from nvf.errors import MeasureError
from nvf.measures.parse import VIEWS, parts
from nvf.types import Figures

LATENCIES = ("latency_ms_p50", "latency_ms_p95")


class Measured(Protocol):
    """A record of an epoch, as far as it says how good that is."""

    @property
    def epoch(self) -> int:
        """0 for the untrained system."""

    @property
    def figures(self) -> Figures:
        """By view and measure."""

    @property
    def clock(self) -> Mapping[str, float]:
        """What depends on the machine, latencies among it."""


M = TypeVar("M", bound=Measured)


@dataclass(frozen=True, slots=True)
class Objective:
    """One figure of a record, and whether more of it is better.

    Attributes
    ----------
    view
        all, clean or cold; empty for a latency.
    name
        `nDCG@10`, or `latency_ms_p95`.
    """

    view: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Return the objective written as in a sweep file, or raise `MeasureError`; the measure itself is not loaded.

        >>> Objective.parse("cold nDCG@10"), str(Objective.parse("nDCG@10"))
        (Objective(view='cold', name='nDCG@10'), 'nDCG@10')
        """
        if text in LATENCIES:
            return cls("", text)
        view, _, measure = text.rpartition(" ")
        if view and view not in VIEWS:
            raise MeasureError(f"'{text}': '{view}' is not one of {', '.join(VIEWS)}")
        name, cutoff = parts(measure)
        return cls(view or "all", f"{name}@{cutoff}")

    def __str__(self) -> str:
        return self.name if self.view in ("", "all") else f"{self.view} {self.name}"

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return -1 if self.name in LATENCIES else 1

    def of(self, record: Measured | None) -> float | None:
        """Return the objective's value in a record, or None where there is none."""
        if record is None:
            return None
        return _number(record.clock.get(self.name)) if self.name in LATENCIES else self.of_figures(record.figures)

    def of_figures(self, figures: Figures) -> float | None:
        """Return the objective's value among figures by view, or None."""
        return _number(figures.get(self.view, {}).get(self.name))

    def standing(self, value: float | None) -> tuple[bool, float]:
        """Return what values are sorted by, best first; what has none comes last."""
        return value is None, -self.sign * (value or 0.0)

    def best(self, records: Iterable[M]) -> M | None:
        """Return the record that stands for a trial, the first of the best, or None where none has a value.

        Epoch 0, the untrained system, counts only where there is no other: a trial that only ever loses to its own
        start is shown as losing.
        """
        records = list(records)
        trained = [record for record in records if record.epoch > 0] or records
        judged = [record for record in trained if self.of(record) is not None]
        return min(judged, key=lambda record: self.standing(self.of(record)), default=None)


def _number(value: float | None) -> float | None:
    return None if value is None or isnan(value) else float(value)
