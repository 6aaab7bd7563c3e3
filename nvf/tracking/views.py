"""Saved views of the MLflow UI: without them it folds trials away and shows no figure until columns are chosen.

A view is a tag of the experiment (`mlflow.sharedViewState.ID`) that holds what the UI keeps in its own store. Its id
derives from the sweep and the view's name, so that saving again replaces it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from mlflow import MlflowClient

from nvf.journal.objective import LATENCIES, Objective
from nvf.journal.replay import SweepState
from nvf.measures.parse import key
from nvf.tracking import names
from nvf.tracking.server import ui_address

TAG = "mlflow.sharedViewState."
LENGTH = 20_000
"""Characters that MLflow keeps of such a tag."""
MODES = {"leaderboard": "TABLE", "learning curves": "CHART", "all against cold": "CHART", "parameters": "CHART"}
COLUMNS = 12
"""Parameters that get a column of their own: each view must stay below `LENGTH`."""

Chart = dict[str, Any]


def view_id(sweep: str, started: float, view: str) -> str:
    """Return the id of a sweep's view."""
    return hashlib.sha256(f"{sweep}\x1f{started:.3f}\x1f{view}".encode()).hexdigest()[:32]


def link(experiment: str, state: SweepState, view: str = "leaderboard") -> str:
    """Return the address that opens a sweep's view in the UI."""
    return (
        f"{ui_address()}/#/experiments/{experiment}/runs?workflowType=machine_learning"
        f"&viewStateShareKey={view_id(state.name, state.started['t'], view)}&compareRunsMode={MODES[view]}"
    )


def save(mlflow: MlflowClient, experiment: str, state: SweepState, parent: str, chosen: Sequence[str]) -> None:
    """Save the views of a sweep in the experiment.

    Parameters
    ----------
    mlflow, experiment
        The client, and the experiment's id.
    state
        The sweep.
    parent
        Id of the sweep's run: the views show the runs inside it.
    chosen
        Names of the searched parameters.
    """
    created = round(state.started["t"] * 1000)
    for view in MODES:
        content = json.dumps(_state(view, state, parent, chosen), separators=(",", ":"))
        body = json.dumps({"name": f"{state.name}: {view}", "createdAt": created, "state": content})
        assert len(body) <= LENGTH, f"the view '{view}' has {len(body)} characters"
        mlflow.set_experiment_tag(experiment, TAG + view_id(state.name, state.started["t"], view), body)


def remove(mlflow: MlflowClient, experiment: str, sweep: str, started: float) -> None:
    """Remove the views of a sweep, as far as they are there."""
    tags = mlflow.get_experiment(experiment).tags
    for view in MODES:
        name = TAG + view_id(sweep, started, view)
        if name in tags:
            mlflow.delete_experiment_tag(experiment, name)


def _state(view: str, state: SweepState, parent: str, chosen: Sequence[str]) -> dict[str, Any]:
    objective = state.objectives[0]
    charts = [{"uuid": f"{view}-{place}", **chart} for place, chart in enumerate(_charts(view, state, chosen))]
    sections = dict.fromkeys(chart["metricSectionId"] for chart in charts)
    return {
        "searchFilter": f"tags.`{names.SWEEP}` = '{state.name}' and tags.`{names.PARENT}` = '{parent}'",
        "orderByKey": f"metrics.`{_sorted_by(objective)}`",
        "orderByAsc": objective.sign < 0,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": _columns(state, chosen),
        "runsExpanded": {},
        "runsHiddenMode": "FIRST_20_RUNS" if view == "learning curves" else "SHOW_ALL",
        "compareRunCharts": charts,
        "compareRunSections": [
            {"uuid": section, "name": section, "display": True, "isReordered": True, "columns": 2}
            for section in sections
        ],
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
        "isAccordionReordered": True,
    }


def _sorted_by(objective: Objective) -> str:
    return names.VALUE if objective.name in LATENCIES else key(objective.name, "best", objective.view)


def _columns(state: SweepState, chosen: Sequence[str]) -> list[str]:
    metrics = dict.fromkeys([_sorted_by(state.objectives[0]), *_best(state)])
    return [
        *(f"metrics.`{name}`" for name in metrics),
        "params.`system`",
        *(f"params.`{names.clean(name)}`" for name in _searched(chosen)),
        *(f"tags.`{name}`" for name in (names.OUTCOME, names.DIAGNOSES)),
    ]


def _searched(chosen: Sequence[str]) -> list[str]:
    return [name for name in chosen if name != "system"][:COLUMNS]


def _best(state: SweepState) -> Iterator[str]:
    """Metrics of the best epoch: what is searched, each view of it, and R@5; more columns would hide them."""
    own = _measure(state)
    for view in ("all", "cold", "clean"):
        if view != "clean" or any("clean" in figures for figures in state.floors.values()):
            yield key(own, "best", view)
    if "R@5" in state.started["measures"] and own != "R@5":
        yield key("R@5", "best")


def _measure(state: SweepState) -> str:
    """The first measure that is searched; with latencies alone, the first that is measured."""
    searched = [objective.name for objective in state.objectives if objective.name not in LATENCIES]
    return searched[0] if searched else str(state.started["measures"][0])


def _charts(view: str, state: SweepState, chosen: Sequence[str]) -> list[Chart]:
    measure = _measure(state)
    match view:
        case "learning curves":
            keys = [key(measure, "dev", kind) for kind in ("all", "cold")]
            keys += [key(str(other), "dev") for other in state.started["measures"] if str(other) != measure]
            return [_line(name) for name in keys[:8]]
        case "all against cold":
            return [_scatter(key(measure, "best", "cold"), key(measure, "best")), *_latency(state.objectives, measure)]
        case "parameters":
            params = ["system", *_searched(chosen)]
            return [
                {
                    "type": "PARALLEL",
                    "metricSectionId": "parameters",
                    "selectedParams": [names.clean(name) for name in params],
                    "selectedMetrics": [names.VALUE],
                    "runsCountToCompare": 100,
                    "showAllRuns": True,
                    "deleted": False,
                    "isGenerated": False,
                },
                *(_scatter(names.clean(name), names.VALUE, xtype="PARAM") for name in _searched(chosen)[:6]),
            ]
    return []


def _latency(objectives: Sequence[Objective], measure: str) -> Iterator[Chart]:
    for objective in objectives:
        if objective.name in LATENCIES:
            yield _scatter(objective.name, key(measure, "best"))


def _line(metric: str) -> Chart:
    return {
        "type": "LINE",
        "metricSectionId": "dev",
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "xAxisKey": "step",
        "lineSmoothness": 0,
        "runsCountToCompare": 20,
        "deleted": False,
        "isGenerated": False,
    }


def _scatter(x: str, y: str, xtype: str = "METRIC") -> Chart:
    return {
        "type": "SCATTER",
        "metricSectionId": "best epoch" if xtype == "METRIC" else "parameters",
        "xaxis": {"key": x, "type": xtype},
        "yaxis": {"key": y, "type": "METRIC"},
        "runsCountToCompare": 100,
        "deleted": False,
        "isGenerated": False,
    }
