from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

from mlflow.entities import Run

from nvf import paths
from nvf.journal.events import Journal
from nvf.journal.folders import SweepFolder
from nvf.tracking import dead, names
from nvf.tracking.dead import Left
from nvf.tracking.sync import sync
from tests.journal.written import write
from tests.tracking import journals
from tests.tracking.test_projection import shown


def gone() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def begun(folder: Path, *, pid: int, host: str = platform.node()) -> Journal:
    """A sweep within a trial, in MLflow as it is written while it runs."""
    journal = Journal.create(folder)
    journals.start(journal, folder.name)
    write(journal, "sweep_resumed", spec={}, clock={"host": host, "pid": pid})
    journals.start_trial(journal, 0)
    journals.record(journal, 0, 0, 0.4)
    sync(SweepFolder(folder))
    return journal


def told(name: str) -> dict[tuple[str, str], int]:
    """How many runs of a sweep have which status and outcome."""
    _, parent, trials = shown(name)
    found: list[Run] = [parent, *trials.values()]
    pairs = [(run.info.status, run.data.tags[names.OUTCOME]) for run in found]
    return {pair: pairs.count(pair) for pair in pairs}


def test_a_driver_that_lives_keeps_its_runs(mlruns: Path) -> None:
    with begun(paths.sweep("alive"), pid=gone()):
        assert dead.close() == []
    assert told("alive") == {("RUNNING", "running"): 2}


def test_a_journal_that_nobody_holds_closes_its_runs_and_a_resumed_one_opens_them(mlruns: Path) -> None:
    folder = paths.sweep("died")
    begun(folder, pid=1, host="elsewhere").close()
    assert dead.close() == [Left("died", "1@elsewhere", 2, closed=True)]
    assert told("died") == {("KILLED", "killed"): 2}
    assert dead.close() == []
    journal, _ = Journal.open(folder)
    with journal:
        write(journal, "sweep_resumed", spec={}, clock={"host": platform.node(), "pid": os.getpid()})
        write(journal, "trial_resumed", trial=0, epoch=0)
        sync(SweepFolder(folder))
        assert told("died") == {("RUNNING", "running"): 2}
        assert dead.close() == []


def test_without_the_journal_the_process_tells(mlruns: Path) -> None:
    for name, pid, host in (
        ("dead", gone(), platform.node()),
        ("living", os.getpid(), platform.node()),
        ("far", 1, "elsewhere"),
    ):
        begun(mlruns / "moved-away" / name, pid=pid, host=host).close()
        # as its projector left it
        mlflow, parent, trials = shown(name)
        for run in (parent, *trials.values()):
            mlflow.update_run(run.info.run_id, "RUNNING")
    found = {left.sweep: left.closed for left in dead.close()}
    assert found == {"dead": True, "far": False}
    assert told("dead") == {("KILLED", "killed"): 2}
    assert {status for status, _ in told("living")} == {status for status, _ in told("far")} == {"RUNNING"}


def test_another_sweep_of_the_same_name_is_not_touched(mlruns: Path) -> None:
    folder = paths.sweep("twice")
    with begun(mlruns / "moved-away" / "twice", pid=1, host="elsewhere"):
        begun(folder, pid=gone()).close()
        assert {(left.driver.partition("@")[2], left.closed) for left in dead.close()} == {
            ("elsewhere", False),
            (platform.node(), True),
        }
