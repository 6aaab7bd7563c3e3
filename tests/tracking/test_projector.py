from __future__ import annotations

import statistics
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock

from nvf import paths
from nvf.errors import TrackingError
from nvf.journal.events import Journal, read
from nvf.journal.folders import SweepFolder
from nvf.tracking import names, server
from nvf.tracking.projector import Projector
from nvf.tracking.sync import sync
from tests.journal.written import write
from tests.tracking import journals
from tests.tracking.test_projection import points, shown


@pytest.fixture
def folder() -> Path:
    return paths.sweep(journals.NAME)


@dataclass
class Line:
    """What leads to MLflow: metrics do not get through while it is `down`; `failed` once they did not."""

    down: bool = False
    failed: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    line, write = Line(), server.MlflowClient.log_batch

    def log_batch(*args: object, **kwargs: object) -> object:
        if line.down:
            line.failed.set()
            raise ConnectionError("no route to host")
        return write(*args, **kwargs)

    monkeypatch.setattr(server.MlflowClient, "log_batch", log_batch)
    return line


def test_a_sweep_is_followed_to_its_end(folder: Path) -> None:
    with Journal.create(folder) as journal:
        projector = Projector(SweepFolder(folder))
        projector.start()
        journals.start(journal)
        for trial in range(5):
            journals.start_trial(journal, trial)
            for epoch in range(4):
                journals.record(journal, trial, epoch, 0.4 + 0.01 * epoch)
                time.sleep(0.02)
            journals.end_trial(journal, trial, "complete")
        write(journal, "sweep_ended", reason="trials", clock={})
        assert projector.close(timeout=30) == 0
    mlflow, parent, trials = shown()
    events = read(folder)
    for trial, run in trials.items():
        of_epochs = {point for point in points(mlflow, run) if not point[0].startswith(("best", "value"))}
        assert of_epochs == journals.expected_metrics(events, trial)
    assert {run.info.status for run in (parent, *trials.values())} == {"FINISHED"}
    assert parent.data.tags[names.NOTE].count("complete") == 5
    link = projector.link()
    assert link is not None and link.startswith("http://127.0.0.1:5000/#/experiments/1/runs?")
    assert sync(SweepFolder(folder)).metrics == 0


def test_what_comes_while_the_note_waits_is_written_at_the_close(folder: Path) -> None:
    with Journal.create(folder) as journal:
        projector = Projector(SweepFolder(folder))
        projector.start()
        journals.start(journal)
        end = time.monotonic() + 20
        while projector.link() is None and time.monotonic() < end:
            time.sleep(0.05)
        journals.start_trial(journal, 0)
        time.sleep(1.2)  # less than the pause between two notes, more than one look at the journal
        journals.record(journal, 0, 0, 0.5)
        journals.end_trial(journal, 0, "complete")
        assert projector.close(timeout=30) == 0
    _, parent, trials = shown()
    assert trials[0].info.status == "FINISHED"
    assert "| 0000&emsp; | linear&emsp; | complete&emsp; |" in parent.data.tags[names.NOTE]


def test_a_real_server_gets_the_same(folder: Path, mlflow_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    journals.sweep(folder)
    projector = Projector(SweepFolder(folder))
    projector.start()
    assert projector.close(timeout=60) == 0
    mlflow, parent, trials = shown()
    events = read(folder)
    for trial, run in trials.items():
        of_epochs = {point for point in points(mlflow, run) if not point[0].startswith(("best", "value"))}
        assert of_epochs == journals.expected_metrics(events, trial)
    assert "linear" in Path(mlflow.download_artifacts(parent.info.run_id, "spec.yaml")).read_text()
    assert trials[1].data.tags[names.OUTCOME] == "pruned"
    assert str(projector.link()).startswith(mlflow_server + "/#/experiments/")
    assert (sync(SweepFolder(folder)).runs, sync(SweepFolder(folder)).metrics) == (0, 0)


def test_a_server_that_is_down_costs_the_driver_nothing_and_loses_nothing(
    folder: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port}")
    costs = []
    with Journal.create(folder) as journal:
        projector = Projector(SweepFolder(folder))
        projector.start()
        journals.start(journal)
        journals.start_trial(journal, 0)
        for epoch in range(300):
            before = time.perf_counter()
            journals.record(journal, 0, epoch, 0.5)
            costs.append(time.perf_counter() - before)
            time.sleep(0.005)
        journals.end_trial(journal, 0, "complete")
        write(journal, "sweep_ended", reason="trials", clock={})
        before = time.monotonic()
        missing = projector.close(timeout=2)
    assert time.monotonic() - before < 4
    assert missing == len(read(folder)) == 305
    assert projector.link() is None
    assert statistics.median(costs) < 0.005
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert sync(SweepFolder(folder)).events == 305
    mlflow, _, trials = shown()
    of_epochs = {point for point in points(mlflow, trials[0]) if not point[0].startswith(("best", "value"))}
    assert of_epochs == journals.expected_metrics(read(folder), 0)


def test_a_server_that_comes_back_gets_everything(
    folder: Path, mlflow_server: str, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection fails from the middle of the sweep on, then works again."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    with Journal.create(folder) as journal:
        projector = Projector(SweepFolder(folder))
        projector.start()
        journals.start(journal, "back-again")
        for trial in range(4):
            line.down = trial in (1, 2)
            journals.start_trial(journal, trial)
            for epoch in range(3):
                journals.record(journal, trial, epoch, 0.5)
                time.sleep(0.4)
            journals.end_trial(journal, trial, "complete")
        write(journal, "sweep_ended", reason="trials", clock={})
        assert projector.close(timeout=30) == 0
    mlflow, parent, trials = shown("back-again")
    assert len(trials) == 4
    for trial, run in trials.items():
        of_epochs = {point for point in points(mlflow, run) if not point[0].startswith(("best", "value"))}
        assert of_epochs == journals.expected_metrics(read(folder), trial)
    assert {run.info.status for run in (parent, *trials.values())} == {"FINISHED"}


def test_a_server_that_comes_back_while_the_sweep_ends_gets_everything(folder: Path, line: Line) -> None:
    """What could not be written is, and what was journaled since."""
    line.down = True
    with Journal.create(folder) as journal:
        projector = Projector(SweepFolder(folder))
        projector.start()
        journals.start(journal)
        for trial in range(2):
            journals.start_trial(journal, trial)
            journals.record(journal, trial, 0, 0.5)
            journals.end_trial(journal, trial, "complete")
            assert line.failed.wait(20)
        write(journal, "sweep_ended", reason="trials", clock={})
        assert projector.answered() and projector.link() is None
        threading.Timer(1.0, setattr, (line, "down", False)).start()
        assert projector.close(timeout=30) == 0
    _, parent, trials = shown()
    assert set(trials) == {0, 1}
    assert {run.info.status for run in (parent, *trials.values())} == {"FINISHED"}


def test_only_one_process_writes_a_sweep(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nvf.tracking.sync.LOCK_SECONDS", 0)
    journals.sweep(folder)
    with FileLock(SweepFolder(folder).tracked), pytest.raises(TrackingError, match="writes to MLflow itself"):
        sync(SweepFolder(folder))


def test_a_run_deleted_during_the_sweep_holds_up_no_other(folder: Path) -> None:
    with Journal.create(folder) as journal:
        projector = Projector(SweepFolder(folder))
        projector.start()
        journals.start(journal)
        journals.start_trial(journal, 0)
        journals.record(journal, 0, 0, 0.5)
        end = time.monotonic() + 20
        while projector.link() is None and time.monotonic() < end:
            time.sleep(0.1)
        mlflow, _, trials = shown()
        mlflow.delete_run(trials[0].info.run_id)
        journals.record(journal, 0, 1, 0.5)
        journals.start_trial(journal, 1)
        journals.record(journal, 1, 0, 0.5)
        write(journal, "sweep_paused", reason="interrupt", clock={})
        assert projector.close(timeout=30) == 0
    _, parent, trials = shown()
    assert set(trials) == {1}
    assert (parent.info.status, trials[1].info.status) == ("KILLED", "KILLED")
