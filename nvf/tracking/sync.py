"""Bring MLflow level with a journal, or take a sweep out of it, in the foreground."""

from __future__ import annotations

from dataclasses import dataclass

from filelock import FileLock, Timeout

from nvf.errors import NvfError, TrackingError
from nvf.journal.folders import SweepFolder
from nvf.journal.kinds import Event
from nvf.journal.replay import replay
from nvf.tracking import names, runs, server, views
from nvf.tracking.projection import Projection

LOCK_SECONDS = 3
"""A projector that was closed may need a moment to let go."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What `sync` did: how many events there are, and runs and metrics that MLflow did not have yet."""

    sweep: str
    events: int
    runs: int
    metrics: int
    link: str

    def __str__(self) -> str:
        return (
            f"MLflow is level with all {self.events} events of sweep {self.sweep}: "
            f"{self.runs} runs and {self.metrics} metrics were added\n{self.link}"
        )


def sync(sweep: SweepFolder) -> SyncReport:
    """Bring MLflow level with the journal of a sweep; a second time adds nothing.

    Where the process that ran the sweep is dead, its unfinished runs are shown as killed.

    Raises
    ------
    JournalError
        Where there is no journal, or a damaged one.
    TrackingError
        Where MLflow does not answer, or where a running sweep writes to MLflow itself.
    """
    events = sweep.events()
    replay(events[:1])
    try:
        with FileLock(sweep.tracked, timeout=LOCK_SECONDS):
            return _sync(sweep, events)
    except Timeout:
        raise TrackingError(
            f"the sweep in {sweep.path} is running and writes to MLflow itself; nothing to do until it ends"
        ) from None


def _sync(sweep: SweepFolder, events: list[Event]) -> SyncReport:
    try:
        projection = Projection.connect()
        projection.take(events)
        if not sweep.running():
            projection.settle()
        projection.write(final=True)
    except NvfError:
        raise
    except Exception as error:
        raise server.unreachable(error) from error
    link = projection.link()
    assert link is not None, "a journal has a first event"
    return SyncReport(projection.state.name, len(events), projection.created, projection.metrics, link)


def forget(sweep: SweepFolder) -> int:
    """Delete the MLflow runs and views of a sweep; returns how many runs there were.

    MLflow keeps deleted runs until `mlflow gc`. Raises `JournalError` and `TrackingError`.
    """
    state = replay(sweep.events()[:1])
    mlflow = server.client()
    try:
        experiment = server.experiment(mlflow)
        found = list(runs.search(mlflow, experiment, state.name, runs.identity(state)))
        for run in sorted(found, key=lambda run: run.data.tags[names.KIND] == "sweep"):
            mlflow.delete_run(run.info.run_id)
        views.remove(mlflow, experiment, state.name, state.started.t)
    except NvfError:
        raise
    except Exception as error:
        raise server.unreachable(error) from error
    return len(found)
