from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nvf import paths
from nvf.journal.events import Journal, read
from nvf.journal.folders import SweepFolder
from nvf.journal.replay import replay
from nvf.tracking import names, server, views
from nvf.tracking.charts import Columns
from nvf.tracking.sync import sync
from tests.journal.written import write
from tests.tracking import journals
from tests.tracking.test_projection import shown


def saved() -> dict[str, str]:
    mlflow = server.client()
    tags = mlflow.get_experiment(server.experiment(mlflow)).tags
    own = {tag.removeprefix(views.TAG): text for tag, text in tags.items() if tag.startswith(views.TAG)}
    assert json.loads(own.pop(views.OVERVIEW))["name"] == "all sweeps"
    return own


def state_of(folder: Path, view: str) -> dict[str, Any]:
    state = replay(read(folder))
    text = saved()[views.view_id(state.name, state.started.t, view)]
    found: dict[str, Any] = json.loads(json.loads(text)["state"])
    return found


def parallel(folder: Path) -> list[list[str]]:
    charts = state_of(folder, "parameters")["compareRunCharts"]
    return [chart["selectedParams"] for chart in charts if chart["type"] == "PARALLEL"]


def test_each_sweep_has_its_views_and_saving_again_replaces_them() -> None:
    for name in ("one", "two"):
        journals.sweep(paths.sweep(name), name=name)
        sync(SweepFolder.named(name))
    once = saved()
    assert {json.loads(text)["name"] for text in once.values()} == {
        f"{name}: {view}" for name in ("one", "two") for view in views.MODES
    }
    sync(SweepFolder.named("one"))
    assert saved() == once
    for name in ("one", "two"):
        parent = shown(name)[1].info.run_id
        for view in views.MODES:
            wanted = f"tags.`nvf.sweep` = '{name}' and tags.`mlflow.parentRunId` = '{parent}'"
            assert state_of(paths.sweep(name), view)["searchFilter"] == wanted


def test_the_link_opens_the_leaderboard_of_this_sweep_best_first() -> None:
    folder = paths.sweep(journals.NAME)
    journals.sweep(folder)
    link = sync(SweepFolder(folder)).link
    state = replay(read(folder))
    place = views.view_id(state.name, state.started.t, "leaderboard")
    assert f"viewStateShareKey={place}&" in link and link.endswith("compareRunsMode=TABLE")
    view = json.loads(json.loads(saved()[place])["state"])
    assert view["orderByKey"] == "metrics.`best/nDCG_at_10`" and view["orderByAsc"] is False
    assert view["searchFilter"].startswith("tags.`nvf.sweep` = 'lexical-gap' and tags.`mlflow.parentRunId` = '")
    assert view["columnOrder"] == view["selectedColumns"]
    assert view["selectedColumns"] == [
        "metrics.`best/nDCG_at_10`",
        "metrics.`best/R_at_5`",
        "metrics.`best_clean/nDCG_at_10`",
        "metrics.`best_cold/nDCG_at_10`",
        "tags.`nvf.outcome`",
        "tags.`nvf.best_epoch`",
        "params.`system`",
        "params.`rank`",
        "params.`temperature`",
        "tags.`nvf.diagnoses`",
    ]
    assert parallel(folder) == [["rank", "temperature"]]


def test_every_parameter_that_a_view_names_is_one_that_runs_log() -> None:
    """A parallel plot leaves out each run that lacks one of its axes: every system has a plot of its own."""
    folder = paths.sweep("quick")
    journals.several_systems(folder)
    sync(SweepFolder(folder))
    assert parallel(folder) == [["system"], ["fused.k1", "fused.weight"], ["linear.lr"]]
    logged = {trial: set(run.data.params) for trial, run in shown("quick")[2].items()}
    for axes, trials in zip(parallel(folder), (8, 4, 4), strict=True):
        assert sum(set(axes) <= each for each in logged.values()) == trials
    columns = [name[8:-1] for name in state_of(folder, "leaderboard")["selectedColumns"] if name.startswith("params")]
    assert columns == ["system", "fused.k1", "fused.weight", "linear.lr"]
    assert set(columns) <= set().union(*logged.values())


def test_a_parameter_that_is_searched_under_a_condition_takes_no_run_out_of_the_plot() -> None:
    found = Columns()
    found.add("linear", ["lr", "linear.rank"], ["system", "lr", "rank", "linear.rank"])
    found.add("linear", ["lr"], ["system", "lr", "rank"])
    assert found.searched == ["linear.rank", "lr"] and found.axes("linear") == ["lr"]
    found.add("fused", ["lr"], ["system", "lr"])
    assert found.axes("fused") == found.axes("linear") == ["system", "lr"]
    changes = found.changes
    found.add("linear", ["lr"], ["system", "lr", "rank"])
    assert found.changes == changes


def test_figures_on_test_get_a_column_once_there_are_some() -> None:
    folder = paths.sweep(journals.NAME)
    journals.sweep(folder)
    sync(SweepFolder(folder))
    assert "metrics.`test/nDCG_at_10`" not in state_of(folder, "leaderboard")["selectedColumns"]
    journal, _ = Journal.open(folder)
    with journal:
        journals.confirmed(journal, 1, 3, 0.5)
    sync(SweepFolder(folder))
    assert "metrics.`test/nDCG_at_10`" in state_of(folder, "leaderboard")["selectedColumns"]


def test_the_experiment_is_described_unless_somebody_did() -> None:
    journals.sweep(paths.sweep(journals.NAME), trials=1)
    sync(SweepFolder.named(journals.NAME))
    mlflow = server.client()
    experiment = server.experiment(mlflow)
    assert "Sweeps of nvf" in mlflow.get_experiment(experiment).tags[names.NOTE]
    mlflow.set_experiment_tag(experiment, names.NOTE, "ours")
    sync(SweepFolder.named(journals.NAME))
    assert mlflow.get_experiment(experiment).tags[names.NOTE] == "ours"


def test_views_of_many_long_parameters_fit(mlruns: Path) -> None:
    folder = paths.sweep(journals.NAME)
    with Journal.create(folder) as journal:
        journals.start(journal, objectives=("cold nDCG@10", "latency_ms_p95"))
        write(
            journal,
            "trial_started",
            trial=0,
            system="linear",
            params={},
            chosen={f"reranker.a_rather_long_name_of_a_parameter_{place}": 1 for place in range(60)},
            distributions={},
            seed=0,
            epochs=1,
        )
    sync(SweepFolder(folder))
    assert len(saved()) == 4
    assert max(map(len, saved().values())) < views.LENGTH
    plots = [chart["type"] for chart in state_of(folder, "parameters")["compareRunCharts"]]
    assert plots[0] == "PARALLEL" and {*plots[1:]} == {"SCATTER"}
    for view in views.MODES:
        assert state_of(folder, view)["orderByKey"] == "metrics.`best_cold/nDCG_at_10`"
        assert len(state_of(folder, view)["selectedColumns"]) > views.COLUMNS, "a column each for the first parameters"
