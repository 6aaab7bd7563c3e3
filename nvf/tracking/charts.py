"""The charts of a sweep's saved views, and the parameters that they show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from nvf.journal.replay import SweepState
from nvf.measures.objective import LATENCIES
from nvf.measures.parse import key
from nvf.tracking import names

AXES, PARALLEL, SCATTERS, CURVES = 12, 6, 8, 8
"""The most of a parallel plot, and of each kind of chart."""

Chart = dict[str, Any]


class Columns:
    """The parameters that the runs of a sweep have, by system.

    A run logs what is searched under the name that the sweep file gives it, `linear.lr` or `lr`; here stand the same.
    """

    def __init__(self) -> None:
        self._chosen: dict[str, set[str]] = {}
        self._logged: dict[str, set[str]] = {}
        self.changes = 0
        """How often anything came or went."""

    @property
    def systems(self) -> list[str]:
        """The systems that were tried."""
        return sorted(self._chosen)

    @property
    def searched(self) -> list[str]:
        """Names of all that is searched, but for the system."""
        return sorted(set().union(*self._chosen.values()) - {"system"})

    def add(self, system: str, chosen: Iterable[str], logged: Iterable[str]) -> None:
        """Take in a trial: what was chosen for it, and all that its run logs."""
        before = (self._chosen.get(system, set()), self._logged.get(system, set(logged)))
        after = (before[0] | set(chosen), before[1] & set(logged))
        if system not in self._chosen or after != before:
            self._chosen[system], self._logged[system] = after
            self.changes += 1

    def axes(self, system: str) -> list[str]:
        """Return the axes of a system's parallel plot, which leaves out every run that lacks one of them."""
        own = sorted(self._chosen[system] & self._logged[system] - {"system"})[:AXES]
        others = (self._logged[other] for other in self._logged if other != system)
        return ["system", *own] if any(set(own) <= logged for logged in others) else own


def charts(view: str, state: SweepState, columns: Columns) -> Iterator[Chart]:
    """Yield the charts of a sweep's view."""
    measure = first_measure(state)
    match view:
        case "learning curves":
            keys = [key(measure, "dev", kind) for kind in ("all", "cold")]
            keys += [key(other, "dev") for other in state.started.measures if other != measure]
            yield from map(_line, keys[:CURVES])
        case "all against cold":
            yield _scatter(key(measure, "best", "cold"), key(measure, "best"))
            for objective in state.objectives:
                if objective.name in LATENCIES:
                    yield _scatter(objective.name, key(measure, "best"))
        case "parameters":
            yield from _parallel(columns)
            for name in columns.searched[:SCATTERS]:
                yield _scatter(names.clean(name), names.VALUE, xtype="PARAM")


def _parallel(columns: Columns) -> Iterator[Chart]:
    """One plot for all systems with the floors beside them, and one for the parameters of each."""
    several = len(columns.systems) > 1
    of_each = [columns.axes(system) for system in columns.systems[:PARALLEL]]
    for axes in dict.fromkeys(map(tuple, [["system"] * several, *of_each])):
        if axes:
            yield {
                **chart("PARALLEL", "parameters"),
                "selectedParams": [names.clean(name) for name in axes],
                "selectedMetrics": [names.VALUE],
                "showAllRuns": True,
            }


def _line(metric: str) -> Chart:
    return {
        **chart("LINE", "dev"),
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "xAxisKey": "step",
        "lineSmoothness": 0,
    }


def _scatter(x: str, y: str, xtype: str = "METRIC") -> Chart:
    return {
        **chart("SCATTER", "best epoch" if xtype == "METRIC" else "parameters"),
        "xaxis": {"key": x, "type": xtype},
        "yaxis": {"key": y, "type": "METRIC"},
    }


def chart(kind: str, section: str) -> Chart:
    """Return what all charts have in common."""
    counted = {"runsCountToCompare": 100, "deleted": False, "isGenerated": False}
    return {"type": kind, "metricSectionId": section, **counted}


def first_measure(state: SweepState) -> str:
    """Return the first measure that is searched; with latencies alone, the first that is measured."""
    return state.measure.name if state.measure else state.started.measures[0]
