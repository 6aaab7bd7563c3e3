"""The MLflow runs of a sweep: how they are tagged, and so found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode

from nvf.journal.replay import SweepState, TrialState
from nvf.tracking import names

GONE = {ErrorCode.Name(code) for code in (INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST)}
"""With what MLflow answers a write to a run that was deleted."""

Key = int | None
"""The number of a trial, or None for the sweep itself."""


@dataclass(slots=True)
class Shown:
    """What MLflow holds of one run, as far as this process knows.

    Attributes
    ----------
    id, status, tags
        As MLflow has them.
    through
        Number of the last event that the run shows, or -1.
    """

    id: str
    status: str
    tags: dict[str, str]
    through: int

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return what is known of a run that MLflow returned."""
        tags = dict(run.data.tags)
        return cls(run.info.run_id, run.info.status, tags, int(tags.get(names.THROUGH, -1)))


def search(mlflow: MlflowClient, experiment: str, sweep: str, started: str | None = None) -> Iterator[Run]:
    """Yield the runs of a sweep and its trials; with `started`, not those of another sweep of the same name."""
    wanted = f"tags.`{names.SWEEP}` = '{sweep}'"
    if started is not None:
        wanted += f" and tags.`{names.STARTED}` = '{started}'"
    yield from _pages(mlflow, experiment, wanted)


def running(mlflow: MlflowClient, experiment: str) -> list[Run]:
    """Return the runs of all sweeps and trials that are shown as running, those of sweeps first."""
    wanted = f"attributes.status = 'RUNNING' and tags.`{names.STARTED}` != ''"
    return sorted(_pages(mlflow, experiment, wanted), key=lambda run: names.TRIAL in run.data.tags)


def _pages(mlflow: MlflowClient, experiment: str, wanted: str) -> Iterator[Run]:
    token = None
    while True:
        page = mlflow.search_runs([experiment], filter_string=wanted, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def find(mlflow: MlflowClient, experiment: str, state: SweepState) -> dict[Key, Shown]:
    """Return the runs that there are of this very sweep."""
    found: dict[Key, Shown] = {}
    for run in search(mlflow, experiment, state.name, identity(state)):
        number = run.data.tags.get(names.TRIAL)
        found[None if number is None else int(number)] = Shown.of(run)
    return found


def exists(mlflow: MlflowClient, run: str) -> bool:
    """Return whether a run is there and not deleted."""
    try:
        return bool(mlflow.get_run(run).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code in GONE:
            return False
        raise


def identity(state: SweepState) -> str:
    """Return what tells a sweep from another one of the same name, on a server that teams share."""
    return f"{state.started['t']:.3f}"


def sweep_tags(state: SweepState) -> dict[str, str]:
    """Return the tags that a sweep's run is made with."""
    git = state.started["git"] or {}
    tags = {
        names.KIND: "sweep",
        names.SWEEP: state.name,
        names.STARTED: identity(state),
        names.TASK: str(state.started["task"]["name"]),
        names.SEED: str(state.started["seed"]),
        names.FINGERPRINT: str(state.started["task"]["fingerprint"]),
    }
    if git:
        tags |= {names.COMMIT: git["commit"], names.DIRTY: str(git["dirty"]).lower()}
    return tags


def trial_tags(state: SweepState, trial: TrialState) -> dict[str, str]:
    """Return the tags that a trial's run is made with."""
    return sweep_tags(state) | {
        names.KIND: "trial",
        names.TRIAL: str(trial.number),
        names.SYSTEM: trial.system,
        names.SEED: str(trial.seed),
    }
