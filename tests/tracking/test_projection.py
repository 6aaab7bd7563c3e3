from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from nvf import paths
from nvf.errors import JournalError
from nvf.journal.events import Journal, read
from nvf.journal.folders import SweepFolder
from nvf.journal.leaderboard import leaderboard
from nvf.journal.replay import replay
from nvf.tracking import names, server, views
from nvf.tracking.note import markdown
from nvf.tracking.projection import Projection
from nvf.tracking.sync import forget, sync
from tests.journal.written import write
from tests.tracking import journals


@pytest.fixture
def folder() -> Path:
    return paths.sweep(journals.NAME)


def shown(name: str = journals.NAME) -> tuple[MlflowClient, Run, dict[int, Run]]:
    """The client, the run of the sweep and those of its trials."""
    mlflow = server.client()
    found = mlflow.search_runs([server.experiment(mlflow)], f"tags.`nvf.sweep` = '{name}'", max_results=1000)
    parents = [run for run in found if run.data.tags[names.KIND] == "sweep"]
    trials = {int(run.data.tags[names.TRIAL]): run for run in found if run.data.tags[names.KIND] == "trial"}
    untrained = [run.data.tags[names.SYSTEM] for run in found if run.data.tags[names.KIND] in ("floor", "ceiling")]
    assert len(parents) == 1 and len(trials) + len(set(untrained)) == len(found) - 1
    return mlflow, parents[0], trials


def untrained(name: str = journals.NAME) -> dict[str, Run]:
    """The runs of floors and ceilings, by name."""
    mlflow = server.client()
    found = mlflow.search_runs([server.experiment(mlflow)], f"tags.`nvf.sweep` = '{name}'", max_results=1000)
    return {run.data.tags[names.SYSTEM]: run for run in found if run.data.tags[names.KIND] in ("floor", "ceiling")}


def points(mlflow: MlflowClient, run: Run) -> set[tuple[str, int, int, float]]:
    history = [metric for name in run.data.metrics for metric in mlflow.get_metric_history(run.info.run_id, name)]
    assert len(history) == len({(metric.key, metric.step, metric.timestamp) for metric in history})
    return {(metric.key, metric.timestamp, metric.step, metric.value) for metric in history}


def dump(database: Path) -> dict[str, list[Any]]:
    tables = ("runs", "metrics", "latest_metrics", "params", "tags", "experiment_tags")
    with sqlite3.connect(database) as opened:
        return {table: sorted(opened.execute(f"select * from {table}"), key=repr) for table in tables}


def test_every_metric_of_the_journal_is_in_mlflow_and_nothing_else(folder: Path) -> None:
    journals.sweep(folder)
    sync(SweepFolder(folder))
    mlflow, _, trials = shown()
    events = read(folder)
    for trial, run in trials.items():
        of_epochs = {point for point in points(mlflow, run) if not point[0].startswith(("best", "value"))}
        assert of_epochs == journals.expected_metrics(events, trial)
    assert trials[3].data.metrics["value"] == trials[3].data.metrics["best/nDCG_at_10"] == pytest.approx(0.48)
    assert trials[3].data.metrics["dev/nDCG_at_10"] == pytest.approx(0.475)
    assert trials[3].data.tags[names.BEST_EPOCH] == "2"
    assert trials[3].data.params == {"system": "linear", "rank": "8"} | {
        name: str(value) for name, value in (journals.SETTINGS | {"temperature": 0.2}).items()
    }


def test_twice_adds_nothing(mlruns: Path, folder: Path) -> None:
    journals.sweep(folder)
    first = sync(SweepFolder(folder))
    before = dump(mlruns / "mlflow.db")
    second = sync(SweepFolder(folder))
    assert (first.runs, second.runs, second.metrics) == (7, 0, 0)
    assert dump(mlruns / "mlflow.db") == before


def test_written_again_without_the_mark_adds_nothing(mlruns: Path, folder: Path) -> None:
    """As after a death between the last metric and the mark."""
    journals.sweep(folder)
    sync(SweepFolder(folder))
    before = dump(mlruns / "mlflow.db")
    mlflow, parent, trials = shown()
    for run in (parent, *trials.values()):
        mlflow.delete_tag(run.info.run_id, names.THROUGH)
    assert sync(SweepFolder(folder)).metrics > 0
    assert dump(mlruns / "mlflow.db") == before


def test_outcomes_are_told_apart(folder: Path) -> None:
    journals.sweep(folder)
    sync(SweepFolder(folder))
    mlflow, parent, trials = shown()
    told = {trial: (run.info.status, run.data.tags[names.OUTCOME]) for trial, run in trials.items()}
    assert told == {
        0: ("FINISHED", "complete"),
        1: ("FINISHED", "pruned"),
        2: ("FAILED", "failed"),
        3: ("FINISHED", "complete"),
    }
    assert parent.info.status == "FINISHED"
    assert trials[2].data.tags[names.ERROR].startswith("ValueError: boom")
    artifact = Path(mlflow.download_artifacts(trials[2].info.run_id, "error.txt"))
    assert artifact.read_text() == "ValueError: boom\n  in line 3"
    assert trials[0].data.tags[names.DIAGNOSES] == "harmful_reranker"
    assert trials[3].data.tags[names.DIAGNOSES] == "harmful_reranker"


def test_runs_are_tagged_and_nested_and_named(folder: Path) -> None:
    journals.sweep(folder)
    sync(SweepFolder(folder))
    mlflow, parent, trials = shown()
    run = trials[3]
    assert run.info.run_name == "lexical-gap/0003 linear"
    wanted = {
        "mlflow.parentRunId": parent.info.run_id,
        "nvf.task": "synthetic/uniform",
        "nvf.task_fingerprint": "f00d",
        "nvf.seed": "7",
        "nvf.git_commit": "c0ffee",
        "nvf.system": "linear",
    }
    assert {name: run.data.tags[name] for name in wanted} == wanted
    assert "linear" in Path(mlflow.download_artifacts(parent.info.run_id, "spec.yaml")).read_text()


def test_the_note_is_the_leaderboard_with_floors_and_leaks(folder: Path) -> None:
    journals.sweep(folder)
    sync(SweepFolder(folder))
    note = shown()[1].data.tags["mlflow.note.content"]
    rows = [line for line in note.splitlines() if line.startswith("| 00")]
    assert cells(rows[0]) == "0003 linear complete 2 3 0.4800 0.4700 0.2400 harmful_reranker".split()
    assert [row[2:6] for row in rows] == ["0003", "0002", "0001", "0000"]
    assert "| best epoch&emsp; | epochs run&emsp; |" in note
    floors = [cells(line) for line in note.splitlines() if line.startswith(("| floor", "| ceiling"))]
    assert floors == ["ceiling oracle 0.9000 0.8900 0.4500".split(), "floor raw 0.4500 0.4400 0.2250".split()]
    assert (
        "- leak: 3 of 100 dev queries have a near-duplicate in train" in note and "(12 of 100 queries have one)" in note
    )


def cells(row: str) -> list[str]:
    return row.replace("&emsp;", "").strip("| ").split(" | ")


def test_a_confirmed_and_promoted_sweep_says_so_in_its_note(folder: Path) -> None:
    journals.sweep(folder)
    journal, _ = Journal.open(folder)
    with journal:
        journals.confirmed(journal, 1, 3, 0.5)
        write(journal, "promoted", trial=3, model="lexical-gap", version=2, alias="champion", forced=None)
    sync(SweepFolder(folder))
    _, parent, trials = shown()
    note = parent.data.tags[names.NOTE]
    assert "**Confirmation 1** on test, opened 1 time; 3 seeds" in note
    lines = [cells(line) for line in note.splitlines() if line.startswith("|")]
    assert ["0003 linear", "0.5000", "0.4900", "0.2500"] in lines
    assert ["floor raw", "0.3000", "0.2900", "0.1500"] in lines
    assert ["0003", "raw", "+0.2000", "[+0.1500, +0.2500]", "0.001"] in lines
    assert "UTC: trial 0003 as lexical-gap/2@champion" in note
    assert {run.data.tags[names.PROMOTED] for run in (parent, trials[3])} == {"lexical-gap/2@champion"}


def test_floors_and_ceilings_are_runs_beside_the_trials(folder: Path) -> None:
    journals.sweep(folder)
    sync(SweepFolder(folder))
    mlflow, parent, _ = shown()
    runs = untrained()
    assert {name: run.data.tags[names.KIND] for name, run in runs.items()} == {"raw": "floor", "oracle": "ceiling"}
    for name, value in (("raw", 0.45), ("oracle", 0.9)):
        run = runs[name]
        assert (run.info.status, run.data.tags[names.PARENT]) == ("FINISHED", parent.info.run_id)
        assert run.data.params == {"system": name}
        for metric in ("dev/nDCG_at_10", "best/nDCG_at_10", "value"):
            found = mlflow.get_metric_history(run.info.run_id, metric)
            assert [(each.step, each.value) for each in found] == [(0, value), (3, value)], metric
        assert run.data.metrics["dev_cold/R_at_5"] == pytest.approx(value / 2 + 0.1)


def test_the_best_is_there_at_every_step(folder: Path) -> None:
    journals.sweep(folder)
    sync(SweepFolder(folder))
    mlflow, _, trials = shown()
    for metric in ("best/nDCG_at_10", "value"):
        found = mlflow.get_metric_history(trials[3].info.run_id, metric)
        assert [(each.step, each.value) for each in found] == [
            (step, pytest.approx(value)) for step, value in enumerate([0.46, 0.47, 0.48, 0.48])
        ]


def test_a_sweep_bears_the_figures_of_its_best_trial_and_how_it_was_searched(folder: Path) -> None:
    journals.several_systems(folder, journals.NAME)
    sync(SweepFolder(folder))
    mlflow, parent, trials = shown()
    found = mlflow.get_metric_history(parent.info.run_id, "value")
    # the even trials are of one epoch, so every odd one beats all before it
    assert [(each.step, round(each.value, 9)) for each in found] == [
        (1, 0.42), (2, 0.46), (3, 0.46), (4, 0.48), (5, 0.48), (6, 0.5), (7, 0.5), (8, 0.52)
    ]  # fmt: skip
    best = {name: value for name, value in trials[7].data.metrics.items() if name.startswith("best")}
    assert best.items() <= parent.data.metrics.items()
    assert parent.data.metrics["over_best_floor"] == pytest.approx(0.52 - 0.45)
    assert parent.data.params == {
        "task": "synthetic/uniform",
        "systems": "fused, linear",
        "measure": "nDCG@10",
        "sampler": "tpe",
        "pruner": "none",
        "cold": "0.2",
        "seed": "7",
        "trials": "8",
        "epochs": "3",
    }
    assert parent.data.tags[names.BUDGET] == "8 trials of 3 epochs"


def test_what_is_searched_bears_the_name_of_the_sweep_file_too(folder: Path) -> None:
    journals.several_systems(folder, journals.NAME)
    sync(SweepFolder(folder))
    trials = shown()[2]
    assert trials[1].data.params == {"system": "linear", "batch_size": "256", "lr": "0.002", "linear.lr": "0.002"}
    assert set(trials[2].data.params) == {"system", "batch_size", "weight", "k1", "fused.weight", "fused.k1"}


def test_the_note_of_a_large_sweep_fits(folder: Path) -> None:
    journals.sweep(folder, trials=200, epochs=1)
    note = markdown(leaderboard(replay(read(folder))))
    assert 6000 < len(note) <= 7800
    assert "more\n" in note and "| floor" in note


def test_what_mlflow_cannot_keep_is_told(folder: Path) -> None:
    with Journal.create(folder) as journal:
        journals.start(journal)
        journals.start_trial(journal, 0, prompt="x" * 7000)
        journals.record(journal, 0, 0, 0.5)
        journals.end_trial(journal, 0, "failed", "boom " * 3000)
    sync(SweepFolder(folder))
    mlflow, _, trials = shown()
    run = trials[0]
    assert run.data.tags[names.SKIPPED] == "not a finite number: loss/isotropy_slice at epoch 0"
    assert "loss/isotropy_slice" not in run.data.metrics
    assert len(run.data.params["prompt"]) == 6000 and len(run.data.tags[names.ERROR]) == 5000
    assert Path(mlflow.download_artifacts(run.info.run_id, "params/prompt.txt")).read_text() == "x" * 7000
    assert len(Path(mlflow.download_artifacts(run.info.run_id, "error.txt")).read_text()) == 15000


def test_a_paused_trial_is_killed_and_runs_again_in_the_same_run(folder: Path) -> None:
    with Journal.create(folder) as journal:
        journals.start(journal)
        journals.start_trial(journal, 0)
        journals.record(journal, 0, 0, 0.4)
        journals.record(journal, 0, 1, 0.5)
        write(journal, "trial_paused", trial=0)
        write(journal, "sweep_paused", reason="interrupt", clock={})
    sync(SweepFolder(folder))
    _, parent, trials = shown()
    assert [(run.info.status, run.data.tags[names.OUTCOME]) for run in (parent, trials[0])] == [
        ("KILLED", "killed")
    ] * 2
    first = trials[0].info.run_id
    journal, _ = Journal.open(folder)
    with journal:
        write(journal, "sweep_resumed", spec={}, clock={"host": "there", "pid": 2})
        write(journal, "trial_resumed", trial=0, epoch=1)
        journals.record(journal, 0, 2, 0.6)
        sync(SweepFolder(folder))
        _, parent, trials = shown()
        assert (parent.info.status, trials[0].info.status) == ("RUNNING", "RUNNING")
        assert trials[0].data.tags[names.OUTCOME] == "running"
        assert parent.data.tags[names.DRIVER] == "2@there"
        journals.end_trial(journal, 0, "complete")
        write(journal, "sweep_ended", reason="trials", clock={})
    sync(SweepFolder(folder))
    mlflow, parent, trials = shown()
    assert (parent.info.status, trials[0].info.status, trials[0].info.run_id) == ("FINISHED", "FINISHED", first)
    steps = sorted(metric.step for metric in mlflow.get_metric_history(first, "dev/nDCG_at_10"))
    assert steps == [0, 1, 2]


def test_nothing_stays_running_after_the_driver_died(folder: Path) -> None:
    with Journal.create(folder) as journal:
        journals.start(journal)
        journals.start_trial(journal, 0)
        journals.record(journal, 0, 0, 0.4)
        sync(SweepFolder(folder))
        assert shown()[2][0].info.status == "RUNNING"
        last = write(journal, "trial_resumed", trial=0, epoch=0)
    sync(SweepFolder(folder))  # the lock is free and no sweep_paused was written: killed from outside
    _, parent, trials = shown()
    assert (parent.info.status, trials[0].info.status) == ("KILLED", "KILLED")
    assert trials[0].info.end_time == round(last.t * 1000)
    assert trials[0].data.tags[names.OUTCOME] == "killed"


def test_a_run_that_was_deleted_comes_back_whole(folder: Path) -> None:
    journals.sweep(folder)
    sync(SweepFolder(folder))
    mlflow, _, trials = shown()
    before = points(mlflow, trials[3])
    mlflow.delete_run(trials[3].info.run_id)
    report = sync(SweepFolder(folder))
    mlflow, _, trials = shown()
    assert report.runs == 1
    assert points(mlflow, trials[3]) == before


def test_a_server_that_dies_before_it_answers_doubles_no_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every first answer is lost: the run is made, and the driver does not learn of it."""
    journals.sweep(folder)
    mlflow = server.client()
    create, lost = mlflow.create_run, set[str]()

    def cut_off(*arguments: Any, run_name: str, **options: Any) -> Run:
        run = create(*arguments, run_name=run_name, **options)
        if run_name not in lost:
            lost.add(run_name)
            raise ConnectionError("no answer")
        return run

    monkeypatch.setattr(mlflow, "create_run", cut_off)
    projection = Projection(mlflow, server.experiment(mlflow))
    projection.take(read(folder))
    while projection.behind:
        with contextlib.suppress(ConnectionError):
            projection.write(final=True)
    assert len(lost) > 5
    _, parent, trials = shown()
    assert set(trials) == {0, 1, 2, 3} and parent.data.metrics and all(run.data.params for run in trials.values())


def test_another_sweep_of_the_same_name_gets_runs_of_its_own(folder: Path, tmp_path: Path) -> None:
    journals.sweep(folder)
    sync(SweepFolder(folder))
    other = tmp_path / "elsewhere"
    journals.sweep(other, trials=2)
    assert sync(SweepFolder(other)).runs == 5
    assert forget(SweepFolder(other)) == 5
    assert len(shown()[2]) == 4


def test_forget_takes_runs_and_views(mlruns: Path, folder: Path) -> None:
    journals.sweep(folder)
    sync(SweepFolder(folder))
    assert forget(SweepFolder(folder)) == 7
    mlflow = server.client()
    experiment = server.experiment(mlflow)
    assert list(mlflow.search_runs([experiment])) == []
    left = [tag for tag in mlflow.get_experiment(experiment).tags if tag.startswith(views.TAG)]
    assert left == [views.TAG + views.OVERVIEW], "the view of all sweeps is no sweep's own"


def test_the_latency_objective_is_minimised(folder: Path) -> None:
    with Journal.create(folder) as journal:
        journals.start(journal, objectives=("latency_ms_p95", "nDCG@10"))
        journals.start_trial(journal, 0)
        journals.record(journal, 0, 0, 0.4)
        journals.record(journal, 0, 1, 0.5)
        journals.end_trial(journal, 0, "complete")
    sync(SweepFolder(folder))
    assert shown()[2][0].data.metrics["value"] == 0.9


def test_what_test_gave_is_shown_with_how_often_it_was_opened(folder: Path) -> None:
    journals.sweep(folder)
    sync(SweepFolder(folder))
    for number in (1, 2):
        journal, _ = Journal.open(folder)
        with journal:
            journals.confirmed(journal, number, 3, 0.4 + 0.01 * number)
    sync(SweepFolder(folder))
    assert sync(SweepFolder(folder)).metrics == 0
    mlflow, parent, trials = shown()
    history = [metric for metric in mlflow.get_metric_history(trials[3].info.run_id, "test/nDCG_at_10")]
    assert [(metric.step, metric.value) for metric in history] == [(1, pytest.approx(0.41)), (2, pytest.approx(0.42))]
    assert {"test_clean/nDCG_at_10", "test_cold/nDCG_at_10"} <= set(trials[3].data.metrics)
    beside = {name: run.data.metrics["test/nDCG_at_10"] for name, run in untrained().items()}
    assert beside == {"raw": pytest.approx(0.3), "oracle": pytest.approx(0.8)}
    assert parent.info.end_time == round(read(folder)[-7].t * 1000), "it ended before it was confirmed"
    for run in (parent, trials[3]):
        assert run.data.tags[names.CONFIRMED].endswith("UTC, test opened 2 times")
    assert names.CONFIRMED not in trials[0].data.tags


def test_a_sweep_that_never_began_is_named(folder: Path) -> None:
    with pytest.raises(JournalError, match="no journal"):
        sync(SweepFolder(folder))
    Journal.create(folder).close()
    with pytest.raises(JournalError, match="died before it began"):
        sync(SweepFolder(folder))
