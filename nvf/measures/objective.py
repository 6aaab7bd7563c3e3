"""What a sweep optimises on dev: a measure on all, clean or cold, or a latency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nvf.errors import MeasureError
from nvf.measures.parse import VIEWS, parse

LATENCIES = ("latency_ms_p50", "latency_ms_p95")


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
        """Return the objective written as in a sweep file, or raise `MeasureError`.

        >>> Objective.parse("cold nDCG@10"), str(Objective.parse("nDCG@10"))
        (Objective(view='cold', name='nDCG@10'), 'nDCG@10')
        """
        if text in LATENCIES:
            return cls("", text)
        view, _, measure = text.rpartition(" ")
        if view and view not in VIEWS:
            raise MeasureError(f"'{text}': '{view}' is not one of {', '.join(VIEWS)}")
        return cls(view or "all", str(parse(measure)))

    def __str__(self) -> str:
        return self.name if self.view in ("", "all") else f"{self.view} {self.name}"

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return -1 if self.name in LATENCIES else 1

    def of(self, record: Mapping[str, Any]) -> float | None:
        """Return the objective's value in a journaled record, or None where it has none."""
        if self.name in LATENCIES:
            return self._number(record.get("clock", {}).get(self.name))
        return self.of_figures(record["figures"])

    def of_figures(self, figures: Mapping[str, Mapping[str, float]]) -> float | None:
        """Return the objective's value among figures by view, or None."""
        return self._number(figures.get(self.view, {}).get(self.name))

    @staticmethod
    def _number(value: Any) -> float | None:
        return None if value is None else float(value)
