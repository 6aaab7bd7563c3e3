"""The MLflow runs of a sweep: how they are tagged, and so found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode

from nvf.journal.facts import Params
from nvf.journal.replay import SweepState
from nvf.tracking import names

GONE = {ErrorCode.Name(code) for code in (INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST)}
"""With what MLflow answers a write to a run that was deleted."""

Key = int | str | None
"""The number of a trial, the name of a floor or ceiling, or None for the sweep itself."""


@dataclass(slots=True)
class Shown:
    """What MLflow holds of one run, as far as this process knows; `through` is the last event that it shows, or -1."""

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
    return {key(run): Shown.of(run) for run in search(mlflow, experiment, state.name, identity(state))}


def key(run: Run) -> Key:
    """Return what a run of a sweep shows."""
    tags = run.data.tags
    if tags[names.KIND] == "trial":
        return int(tags[names.TRIAL])
    return None if tags[names.KIND] == "sweep" else tags[names.SYSTEM]


def exists(mlflow: MlflowClient, run: str) -> bool:
    """Return whether a run is there and not deleted."""
    try:
        return bool(mlflow.get_run(run).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code in GONE:
            return False
        raise


def identity(state: SweepState) -> str:
    """Return what tells a sweep from another one of the same name, on a server that teams share: when it began."""
    return names.date(state.started.t, "milliseconds")


def sweep_tags(state: SweepState) -> dict[str, str]:
    """Return the tags that a sweep's run is made with."""
    git = state.started.git
    tags = {
        names.KIND: "sweep",
        names.SWEEP: state.name,
        names.STARTED: identity(state),
        names.TASK: state.started.task.name,
        names.SEED: str(state.started.seed),
        names.FINGERPRINT: state.started.task.fingerprint,
    }
    if git is not None:
        tags |= {names.COMMIT: git.commit, names.DIRTY: str(git.dirty).lower()}
    return tags


def tags(state: SweepState, key: Key) -> dict[str, str]:
    """Return the tags that a run is made with."""
    match key:
        case None:
            return sweep_tags(state)
        case int():
            trial = state.trials[key]
            own = {names.TRIAL: str(key), names.SYSTEM: trial.system, names.SEED: str(trial.seed)}
            return sweep_tags(state) | {names.KIND: "trial"} | own
        case str():
            return sweep_tags(state) | {names.KIND: kind(state, key), names.SYSTEM: key}


def kind(state: SweepState, name: str) -> str:
    """Return whether what needs no training is a floor or a ceiling."""
    return "ceiling" if name in state.ceilings else "floor"


def name(state: SweepState, key: Key) -> str:
    """Return the name of a run."""
    match key:
        case None:
            return state.name
        case int():
            return f"{state.name}/{key:04d} {state.trials[key].system}"
        case str():
            return f"{state.name}/{kind(state, key)} {key}"


def params(state: SweepState, key: Key) -> Params:
    """Return the parameters of a run: those of a sweep as it began, for MLflow lets no parameter change.

    A trial has all its settings under the names that its system gives them, and those that are searched under the
    names that the sweep file gives them, too: `lr` and `linear.lr`, where the file says so.
    """
    match key:
        case None:
            return _of_sweep(state)
        case int():
            trial = state.trials[key]
            return {**trial.chosen, "system": trial.system, **trial.params}
        case str():
            return {"system": key}


def _of_sweep(state: SweepState) -> Params:
    started, spec = state.started, state.started.spec
    found: Params = {
        "task": started.task.name,
        "systems": ", ".join(spec.system),
        "measure": ", ".join(started.objectives),
        "seed": started.seed,
        "sampler": spec.search.sampler,
        "trials": spec.search.trials,
        "epochs": spec.budget.epochs,
        "time": spec.budget.time,
        "pruner": spec.pruner.kind,
        "cold": spec.cold,
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def budget(state: SweepState) -> str:
    """Return the budget that is in force: a sweep that is gone on with may have got more.

    It says `40 trials of 10 epochs, 1800 s in all`.
    """
    spent = state.spec.budget
    time = f", {spent.time:.0f} s in all" if spent.time else ""
    return f"{state.spec.search.trials} trials of {spent.epochs} epochs{time}"
