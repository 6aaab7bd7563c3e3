"""Saved views of the MLflow UI: without them it folds trials away and shows no figure until columns are chosen.

A view is a tag of the experiment (`mlflow.sharedViewState.ID`) that holds what the UI keeps in its own store. Its id
derives from the sweep and the view's name, so that saving again replaces it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mlflow import MlflowClient

from nvf.journal.replay import SweepState
from nvf.measures.objective import LATENCIES, Objective
from nvf.measures.parse import BESIDE, key
from nvf.tracking import names
from nvf.tracking.charts import Chart, Columns, chart, charts, first_measure
from nvf.tracking.server import ui_address

TAG = "mlflow.sharedViewState."
LENGTH = 20_000
"""Characters that MLflow keeps of such a tag."""
MODES = {"leaderboard": "TABLE", "learning curves": "CHART", "all against cold": "CHART", "parameters": "CHART"}
COLUMNS = 16
"""Parameters that get a column of their own."""
TRAINING = "workflowType=machine_learning"
"""What opens a page of the UI in "Model training" mode, rather than in that for chats."""
ROWS = 50
"""With more of them the UI draws the curves of the first 20 alone: the best."""
SWEEPS = "all sweeps"
"""The view of the experiment in which sweeps are compared."""
EXPERIMENT_NOTE = (
    "Sweeps of nvf. Each has a run of its own, with a run inside it for every floor, ceiling and trial.\n\n"
    f'The menu "Views" holds **{SWEEPS}** beside each other, and four views of each sweep: its leaderboard, its '
    "learning curves, all against cold, and its parameters."
)


OVERVIEW = hashlib.sha256(SWEEPS.encode()).hexdigest()[:32]
WIDTH = 150
"""Pixels of a column of figures: its title is longer than MLflow's 100 show."""


def view_id(sweep: str, started: float, view: str) -> str:
    """Return the id of a sweep's view."""
    return hashlib.sha256(f"{sweep}\x1f{started:.3f}\x1f{view}".encode()).hexdigest()[:32]


def link(experiment: str, state: SweepState, view: str = "leaderboard") -> str:
    """Return the address that opens a sweep's view in the UI."""
    return f"{ui_address()}/{inside(experiment, state, view)}"


def inside(experiment: str, state: SweepState, view: str) -> str:
    """Return the address of a sweep's view for a page of the UI itself, wherever that is served."""
    return _address(experiment, view_id(state.name, state.started.t, view), MODES[view])


def overview(experiment: str) -> str:
    """Return the address that opens the view of all sweeps, behind the UI's own address."""
    return _address(experiment, OVERVIEW, "TABLE")


def _address(experiment: str, view: str, mode: str) -> str:
    return f"#/experiments/{experiment}/runs?{TRAINING}&viewStateShareKey={view}&compareRunsMode={mode}"


def save(
    mlflow: MlflowClient, experiment: str, state: SweepState, parent: str, columns: Columns, *, confirmed: bool
) -> None:
    """Save the views of a sweep in the experiment: of the runs inside `parent`, the sweep's own.

    `columns` has what is searched; `confirmed` says whether there are figures on test.
    """
    created = round(state.started.t * 1000)
    for view in MODES:
        body = _body(f"{state.name}: {view}", created, _state(view, state, parent, columns, confirmed=confirmed))
        mlflow.set_experiment_tag(experiment, TAG + view_id(state.name, state.started.t, view), body)


def introduce(mlflow: MlflowClient, experiment: str) -> None:
    """Save the view of all sweeps in the experiment, and describe it unless somebody has."""
    found = mlflow.get_experiment(experiment)
    wanted = {TAG + OVERVIEW: _body(SWEEPS, found.creation_time or 0, _overview())}
    if names.NOTE not in found.tags:
        wanted[names.NOTE] = EXPERIMENT_NOTE
    for name, text in wanted.items():
        if found.tags.get(name) != text:
            mlflow.set_experiment_tag(experiment, name, text)


def _body(name: str, created: int, state: dict[str, Any]) -> str:
    """Return a view as MLflow keeps it, without its last charts where it would grow too long."""
    while True:
        content = json.dumps(state, separators=(",", ":"), allow_nan=False)
        body = json.dumps({"name": name, "createdAt": created, "state": content}, allow_nan=False)
        if len(body) <= LENGTH:
            return body
        state["compareRunCharts"].pop()


def remove(mlflow: MlflowClient, experiment: str, sweep: str, started: float) -> None:
    """Remove the views of a sweep, as far as they are there."""
    tags = mlflow.get_experiment(experiment).tags
    for view in MODES:
        name = TAG + view_id(sweep, started, view)
        if name in tags:
            mlflow.delete_experiment_tag(experiment, name)


def _state(view: str, state: SweepState, parent: str, columns: Columns, *, confirmed: bool) -> dict[str, Any]:
    objective = state.objectives[0]
    rows = state.spec.search.trials + len(state.floors) + len(state.ceilings)
    return _page(
        view,
        f"tags.`{names.SWEEP}` = '{state.name}' and tags.`{names.PARENT}` = '{parent}'",
        _sorted_by(objective),
        _columns(state, columns, confirmed=confirmed),
        charts(view, state, columns),
        ascending=objective.sign < 0,
        few=view == "learning curves" and rows > ROWS,
    )


def _overview() -> dict[str, Any]:
    metrics = (names.VALUE, names.GAIN, *(key("nDCG@10", "best", view) for view in ("all", "clean", "cold")))
    params = ("measure", "task", "systems", "sampler", "seed", "trials", "epochs")
    columns = [
        *(f"metrics.`{name}`" for name in metrics),
        *(f"params.`{name}`" for name in params),
        *(f"tags.`{name}`" for name in (names.OUTCOME, names.CONFIRMED, names.PROMOTED)),
    ]
    bars = [{**chart("BAR", "best trial"), "metricKey": name} for name in metrics[:3]]
    return _page("sweeps", f"tags.`{names.KIND}` = 'sweep'", names.GAIN, columns, bars)


def _page(
    place: str,
    wanted: str,
    order: str,
    columns: Sequence[str],
    charts: Iterable[Chart],
    *,
    ascending: bool = False,
    few: bool = False,
) -> dict[str, Any]:
    """Return what the UI keeps of a page of runs: which ones, sorted by what, with which columns and charts."""
    numbered = [{"uuid": f"{place}-{number}", **chart} for number, chart in enumerate(charts)]
    sections = dict.fromkeys(chart["metricSectionId"] for chart in numbered)
    return {
        "searchFilter": wanted,
        "orderByKey": f"metrics.`{order}`",
        "orderByAsc": ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "columnOrder": columns,  # else by the alphabet
        "columnWidths": {name: WIDTH for name in columns if name.startswith("metrics.")},
        "runsExpanded": {},
        "runsHiddenMode": "FIRST_20_RUNS" if few else "SHOW_ALL",
        "compareRunCharts": numbered,
        "compareRunSections": [
            {"uuid": section, "name": section, "display": True, "isReordered": True, "columns": 2}
            for section in sections
        ],
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
        "isAccordionReordered": True,
    }


def _sorted_by(objective: Objective) -> str:
    return names.VALUE if objective.name in LATENCIES else key(objective.name, "best", objective.view)


def _columns(state: SweepState, columns: Columns, *, confirmed: bool) -> list[str]:
    metrics = dict.fromkeys([_sorted_by(state.objectives[0]), *_best(state)])
    if confirmed:
        metrics[key(first_measure(state), "test")] = None
    return [
        *(f"metrics.`{name}`" for name in metrics),
        *(f"tags.`{name}`" for name in (names.OUTCOME, names.BEST_EPOCH)),
        "params.`system`",
        *(f"params.`{names.clean(name)}`" for name in columns.searched[:COLUMNS]),
        f"tags.`{names.DIAGNOSES}`",
    ]


def _best(state: SweepState) -> Iterator[str]:
    """Metrics of the best epoch: `BESIDE`, and each view of what is searched; more columns would hide them."""
    own = first_measure(state)
    if BESIDE in state.started.measures and own != BESIDE:
        yield key(BESIDE, "best")
    for view in ("all", "clean", "cold"):
        if view != "clean" or any("clean" in figures for figures in state.floors.values()):
            yield key(own, "best", view)
