"""Runs that MLflow shows as running though nobody runs them any more."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import psutil
from mlflow import MlflowClient
from mlflow.entities import Run

from nvf.errors import JournalError
from nvf.journal.folders import SweepFolder
from nvf.journal.folders import names as sweeps
from nvf.tracking import names, runs, server
from nvf.tracking.sync import sync


@dataclass(frozen=True, slots=True)
class Left:
    """Runs of one sweep that were left running, by `driver`: PID@HOST, empty where its runs do not say.

    Where they are not `closed` now, nobody here can tell whether the driver lives.
    """

    sweep: str
    driver: str
    runs: int
    closed: bool


def close() -> list[Left]:
    """Close as KILLED what dead drivers left running, and return what there was; `nvf resume` opens the runs again.

    A driver is dead where its journal is in this mlruns/ and no process holds the lock on it: the kernel lets go of
    that with the process. Where the journal is elsewhere, it is dead where it ran on this host and its process is gone.
    Raises `TrackingError` where MLflow does not answer.
    """
    with server.connected() as mlflow:
        by_sweep: dict[tuple[str, str], list[Run]] = defaultdict(list)
        for run in runs.running(mlflow, server.experiment(mlflow)):
            by_sweep[run.data.tags[names.SWEEP], run.data.tags[names.STARTED]].append(run)
        found = [_look(mlflow, name, started, open_) for (name, started), open_ in by_sweep.items()]
    return [left for left in found if left is not None]


def _look(mlflow: MlflowClient, name: str, started: str, open_: Sequence[Run]) -> Left | None:
    """Close the runs of a sweep where its driver is dead; returns None where it lives."""
    driver = next((run.data.tags[names.DRIVER] for run in open_ if names.DRIVER in run.data.tags), "")
    sweep = _sweep(name, started)
    if sweep is not None:
        if sweep.running():
            return None
        sync(sweep)
        return Left(name, driver, len(open_), closed=True)
    pid, _, host = driver.partition("@")
    if host != platform.node():
        return Left(name, driver, len(open_), closed=False)
    if psutil.pid_exists(int(pid)):
        return None
    for run in open_:
        mlflow.set_tag(run.info.run_id, names.OUTCOME, "killed")
        mlflow.set_terminated(run.info.run_id, names.STATUS["killed"])
    return Left(name, driver, len(open_), closed=True)


def _sweep(name: str, started: str) -> SweepFolder | None:
    """Return the folder of this very sweep, or None where its journal is elsewhere."""
    if name not in sweeps():
        return None
    sweep = SweepFolder.named(name)
    try:
        return sweep if runs.identity(sweep.state()) == started else None
    except JournalError:
        return None
