from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from nvf import paths, tasks
from nvf.cli.reproduce import lines
from nvf.cli.reproduce import reproduce as command
from nvf.errors import SweepError, TaskError, UsageError
from nvf.journal import events, replay
from nvf.journal.facts import Clock
from nvf.journal.folders import SweepFolder
from nvf.registry.agreement import compare
from nvf.registry.reproduce import reproduce
from nvf.sweep.conductor import Conductor, Place
from nvf.sweep.ground import ground
from nvf.sweep.spec import load
from nvf.sweep.study import SearchStudy
from nvf.sweep.surroundings import commit, machine
from nvf.sweep.worker import Worker
from nvf.tracking import names, server
from nvf.tracking.sync import sync
from nvf.training.record import Record
from tests.e2e.home import Home
from tests.journal.written import write
from tests.registry.conftest import rewrite

SPEC = """\
name: small
task: {source: synthetic, documents: 60, dim: 8, map: rotation, train: 100, dev: 20, test: 20}
system: linear
fixed: {batch_size: 32, dropout: 0.2}
space: {lr: {log: [0.001, 0.01]}}
search: {sampler: random, trials: 2, seed: 1}
budget: {epochs: 2}
"""


@pytest.fixture(autouse=True)
def threads() -> Any:
    """A worker sets the number of threads; the other tests keep theirs."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path: Path, mlruns: Path) -> Path:
    """A sweep run by the conductor and by workers, without Ray; the second trial lost half its batch after epoch 1."""
    path = tmp_path / "small.yaml"
    path.write_text(SPEC)
    spec, _ = load(path)
    snapshot = tasks.build_snapshot(spec.task)
    folder = paths.sweep("small")
    with events.Journal.create(folder) as journal:
        stands = ground(tasks.open_snapshot(snapshot).fingerprint, SPEC)
        started = write(
            journal,
            "sweep_started",
            sweep="small",
            spec=spec.model_dump(mode="json"),
            task={"name": "t", "fingerprint": stands.fingerprint},
            measures=spec.measures(),
            objectives=["nDCG@10"],
            seed=1,
            git=commit(),
            clock={"host": "here", "pid": 1, "snapshot": str(snapshot)},
            spec_text=SPEC,
            nvf=stands.nvf,
            versions=stands.versions,
            code=stands.code,
        )
        state = replay.replay([started])
        study = SearchStudy(spec, state)
        conductor = Conductor(spec, state, journal, study, Place(snapshot, folder / "checkpoints"))
        while (order := conductor.next_order()) is not None:
            worker, goes_on = Worker(order), True
            while goes_on:
                goes_on = conductor.on_report(replace(worker.step(), clock=Clock(**machine())))
                if order.trial == 1 and state.trials[1].epoch == 1 and not state.trials[1].faults:
                    conductor.on_death(1, "killed", out_of_memory=True)
                    worker = Worker(conductor.order(1))
        conductor.close()
    return folder


def record(change: Callable[[dict[str, Any]], object], epoch: int = 2) -> Callable[[dict[str, Any]], object]:
    def at(event: dict[str, Any]) -> None:
        if event["kind"] == "record" and event["trial"] == 0 and event["record"]["epoch"] == epoch:
            change(event["record"])

    return at


def first(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    return lambda event: change(event) if event["kind"] == "sweep_started" else None


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("trial", [0, 1])
def test_a_trial_comes_out_equal_to_the_bit_and_nothing_is_written(
    folder: Path, mlruns: Path, said: list[str], trial: int
) -> None:
    before = contents(mlruns)
    assert bool(replay.replay(events.read(folder)).trials[trial].changed) is (trial == 1)
    report = reproduce(f"small/{trial}")
    assert contents(mlruns) == before
    assert report.agreement.verdict == "equal" and report.agreement.figures > 50
    assert (report.system, report.epochs, report.threads, report.changed) == ("linear", 2, 1, [])
    assert (report.checkpoints, report.same) == (3, 3)
    assert said == ["epoch 0 of 2", "epoch 1 of 2", "epoch 2 of 2"]
    assert lines(report)[-1] == "changed since: nothing that the journal tells"


@pytest.mark.parametrize(("by", "verdict", "code"), [(1e-7, "close", 0), (0.1, "different", 1)])
def test_a_figure_that_differs_is_named(
    folder: Path, by: float, verdict: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(
        folder, record(lambda each: each["figures"]["all"].update({"nDCG@10": each["figures"]["all"]["nDCG@10"] + by}))
    )
    assert command("small/0", json=True) == code
    report = json.loads(capsys.readouterr().out)
    assert report["agreement"]["verdict"] == verdict
    (difference,) = report["agreement"]["differences"]
    assert (difference["epoch"], difference["figure"]) == (2, "figures.all.nDCG@10")
    assert difference["journaled"] - difference["found"] == pytest.approx(by)
    assert command("small/0") == code
    shown = capsys.readouterr().out
    assert "1 of " in shown and f"epoch 2  figures.all.nDCG@10: {difference['journaled']!r} journaled" in shown


def test_how_close_is_close_can_be_said(folder: Path) -> None:
    rewrite(folder, record(lambda each: each["figures"]["all"].update({"R@5": each["figures"]["all"]["R@5"] + 0.01})))
    assert reproduce("small/0").agreement.verdict == "different"
    assert reproduce("small/0", tolerance=0.1).agreement.verdict == "close"


def test_another_seed_is_not_close(folder: Path) -> None:
    rewrite(folder, lambda event: event.update(seed=event["seed"] + 1) if event["kind"] == "trial_started" else None)
    report = reproduce("small/0")
    assert report.agreement.verdict == "different" and report.same == 0
    assert any(each.figure.startswith("figures.") for each in report.agreement.differences)


def test_what_has_changed_since_is_told(folder: Path) -> None:
    def older(event: dict[str, Any]) -> None:
        event["versions"]["torch"] = "2.0.0"
        event["code"]["systems/linear.py"] = "0" * 12
        event["git"] = {"commit": "f" * 40, "dirty": False}

    rewrite(folder, first(older))
    rewrite(folder, lambda event: event["clock"].update(instructions="ABACUS") if event["kind"] == "record" else None)
    report = reproduce("small/0")
    assert report.agreement.verdict == "equal"
    torch_, code, git, instructions = report.changed
    assert torch_ == f"torch: was 2.0.0 and is {version('torch')}"
    assert code == "the code of nvf: systems/linear.py"
    assert git.startswith("the commit: was ffffffffffff and is ")
    assert instructions == f"the machine's instructions: was ABACUS and is {machine()['instructions']}"


def test_another_task_is_refused_with_both_fingerprints(folder: Path) -> None:
    real = events.read(folder)[0].task.fingerprint
    rewrite(folder, first(lambda event: event["task"].update(fingerprint="0123456789abcdef")))
    with pytest.raises(TaskError, match=rf"fingerprint 0123456789ab then, {real[:12]} now"):
        reproduce("small/0")


def test_what_is_no_trial_is_refused(folder: Path) -> None:
    for run, error, message in (
        ("small", UsageError, "names no trial; write SWEEP/TRIAL"),
        ("small/x", UsageError, "names no trial"),
        ("small/7", SweepError, "has no trial 7; its trials: 0, 1"),
        ("smal/0", SweepError, "did you mean 'small'"),
        ("0" * 32, UsageError, "MLflow has no run 0000"),
    ):
        with pytest.raises(error, match=message):
            reproduce(run)


def test_a_trial_without_records_is_refused(folder: Path) -> None:
    kept = [event for event in events.read(folder) if event.kind in ("sweep_started", "trial_started")]
    (folder / events.FILE).unlink()
    with events.Journal.create(folder) as journal:
        for event in kept:
            journal.append(event)
        write(journal, "trial_ended", trial=0, outcome="failed", error="ValueError: no", attrs={})
    with pytest.raises(
        SweepError, match="has no record, so there is nothing to compare with: it failed, ValueError: no"
    ):
        reproduce("small/0")


def test_a_run_of_mlflow_is_found(folder: Path) -> None:
    sync(SweepFolder(folder))
    client = server.client()
    found = client.search_runs([server.experiment(client)])
    by_trial = {run.data.tags.get(names.TRIAL): run.info.run_id for run in found}
    report = reproduce(by_trial["1"])
    assert (report.sweep, report.trial, report.agreement.verdict) == ("small", 1, "equal")
    with pytest.raises(UsageError, match="is not that of a trial"):
        reproduce(by_trial[None])
    client.set_tag(by_trial["1"], names.STARTED, "1.000")
    with pytest.raises(SweepError, match="is of another sweep that was named 'small'"):
        reproduce(by_trial["1"])


def test_a_figure_that_is_gone_differs_and_a_new_one_is_not_looked_at() -> None:
    figures = {"all": {"R@5": 0.5}}
    journaled = [Record(epoch=0, losses={"a": 2000.0, "b": math.nan}, figures=figures)]
    now = [Record(epoch=0, losses={"a": 2001.0, "b": math.nan, "c": 1.0}, figures=figures)]
    assert asdict(compare(journaled, now, 1e-3)) == {
        "verdict": "close",
        "tolerance": 1e-3,
        "figures": 3,
        "differing": 1,
        "differences": [{"epoch": 0, "figure": "losses.a", "journaled": 2000.0, "found": 2001.0}],
    }
    for gone in ({}, {"a": 2000.0, "b": 0.1}, {"a": math.nan, "b": math.nan}):
        assert compare(journaled, [replace(now[0], losses=gone)]).verdict == "different"


@pytest.mark.ray
@pytest.mark.slow
def test_a_trial_that_ray_ran_comes_out_equal(tmp_path: Path) -> None:
    home = Home(tmp_path)
    code, _, err = home.run("sweep", home.spec(**{"trials: 20": "trials: 3"}))
    assert code == 0, err
    for trial in home.state("small").trials:
        code, out, err = home.run("reproduce", f"small/{trial}", "--json")
        assert code == 0, err
        report = json.loads(out)
        assert report["agreement"]["verdict"] == "equal" and report["changed"] == []
        assert report["same"] == report["checkpoints"] > 0
