"""From a sweep's best trial to a model version behind an alias."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from nvf.errors import CheckpointError, NvfError, SweepError, TrackingError
from nvf.journal import folders
from nvf.journal.events import Event, Journal, read
from nvf.journal.leaderboard import best_trial
from nvf.journal.replay import SweepState, TrialState, replay
from nvf.registry import model as models
from nvf.registry import versions
from nvf.registry.cautions import cautions
from nvf.registry.searched import snapshot_of
from nvf.tasks.base import Task
from nvf.tracking import names, runs, server
from nvf.tracking.sync import sync
from nvf.training import checkpoint
from nvf.types import Figures

DEPTH = 10
"""Hits per query that are compared when a model is loaded back."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """What was promoted.

    Attributes
    ----------
    sweep, trial, system, epoch
        Where it comes from: the trial's best epoch.
    model, version, alias
        Where it went.
    previous
        The version that the alias pointed to before, or None.
    figures, floors
        On dev: of the epoch, and of each floor.
    cautions
        What no gate checks yet.
    link
        Into the MLflow UI.
    """

    sweep: str
    trial: int
    system: str
    epoch: int
    model: str
    version: int
    alias: str
    previous: int | None
    figures: Figures
    floors: dict[str, Figures]
    cautions: list[str]
    link: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """What shall be promoted: a journaled checkpoint, and the task that it ranks."""

    state: SweepState
    trial: TrialState
    record: dict[str, Any]
    folder: Path
    digest: str
    task: Task


def promote(name: str, *, trial: int | None = None, model: str | None = None, alias: str = versions.ALIAS) -> Promotion:
    """Register a trial's best checkpoint as a model version, check that it ranks as the trial did, move the alias.

    Parameters
    ----------
    name
        The sweep.
    trial
        Its number; by default the best on dev.
    model
        Name of the registered model; by default the sweep's.
    alias
        The alias that shall point to the new version.

    Raises
    ------
    SweepError
        Where there is no such sweep or trial, or no checkpoint to promote.
    CheckpointError
        Where the checkpoint is missing or damaged, or does not rank as it did once it is loaded back; no version
        remains.
    TaskError
        Where the task is not the one that the sweep searched.
    TrackingError
        Where MLflow does not answer.
    """
    folder, registered = folders.find(name), model or name
    versions.check_names(registered, alias)
    candidate = _candidate(folder, read(folder), trial)
    live = folders.running(folder)
    if not live:
        sync(folder)
    client = server.client(retries=1, timeout=versions.TIMEOUT)
    try:
        version = _register(client, registered, candidate)
        previous = _previous(client, registered, alias)
        client.set_registered_model_alias(registered, alias, version.version)
        client.set_registered_model_tag(registered, versions.PROMOTED_AT, f"{time.time():.3f}")
    except MlflowException as error:
        raise server.unreachable(error) from error
    number = int(version.version)
    if not live:
        journal, _ = Journal.open(folder)
        with journal:
            at = {"trial": candidate.trial.number, "model": registered, "version": number, "alias": alias}
            journal.append("promoted", sync=True, **at)
        sync(folder)
    return Promotion(
        sweep=name,
        trial=candidate.trial.number,
        system=candidate.trial.system,
        epoch=candidate.record["epoch"],
        model=registered,
        version=number,
        alias=alias,
        previous=previous,
        figures=candidate.record["figures"],
        floors=candidate.state.floors,
        cautions=cautions(candidate.state, candidate.trial, candidate.record),
        link=f"{server.ui_address()}/#/models/{registered}/versions/{number}",
    )


def _candidate(folder: Path, events: list[Event], number: int | None) -> Candidate:
    state = replay(events)
    trial = best_trial(state) if number is None else state.trials.get(number)
    if trial is None:
        if number is None:
            raise SweepError(f"no trial of sweep '{state.name}' has both a figure and a checkpoint: nothing to promote")
        known = ", ".join(map(str, state.trials)) or "none"
        raise SweepError(f"sweep '{state.name}' has no trial {number}; its trials: {known}")
    record = trial.best(state.objectives[0])
    published = None if record is None else trial.checkpoints.get(record["epoch"])
    if record is None or published is None:
        raise SweepError(
            f"trial {trial.number} of sweep '{state.name}' has no checkpoint of its best epoch; "
            f"promote another one: nvf leaderboard {state.name}"
        )
    _, task = snapshot_of(events, state)
    return Candidate(state, trial, record, folder / published["folder"], published["digest"], task)


def _register(client: MlflowClient, registered: str, candidate: Candidate) -> ModelVersion:
    """Return a new version that was loaded back and ranks as the checkpoint does."""
    expected = checkpoint.restore_system(candidate.folder, candidate.task.corpus, digest=candidate.digest)
    run = _run(client, candidate)
    place = f"model/epoch-{candidate.record['epoch']:04d}"
    tags = _tags(candidate, run)
    with tempfile.TemporaryDirectory() as temporary:
        models.save(candidate.folder, candidate.task, Path(temporary) / "model", tags)
        client.log_artifacts(run.info.run_id, str(Path(temporary) / "model"), place)
    try:
        client.create_registered_model(registered)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    client.set_registered_model_tag(registered, names.KIND, versions.RETRIEVER)
    source = f"{run.info.artifact_uri}/{place}"
    version = client.create_model_version(registered, source, run.info.run_id, tags=tags, description=_text(candidate))
    try:
        served = mlflow.pyfunc.load_model(str(versions.fetch(client, version))).unwrap_python_model()
        _compare(models.Retriever(expected, candidate.task), served.retriever)
    except Exception as error:
        client.delete_model_version(registered, version.version)
        if isinstance(error, NvfError):
            raise
        raise CheckpointError(
            f"the registered model cannot be loaded back, so it was removed again: {error}"
        ) from error
    return version


def _compare(expected: models.Retriever, found: models.Retriever) -> None:
    split = expected.task.split(models.SPLIT)
    queries = split.queries.select(np.arange(min(models.EXAMPLES, len(split))))
    one, other = expected.rank(queries, DEPTH), found.rank(queries, DEPTH)
    if not (torch.equal(one.rows, other.rows) and torch.equal(one.scores, other.scores)):
        differ = int((one.rows != other.rows).any(dim=1).sum()) if one.rows.shape == other.rows.shape else len(queries)
        raise CheckpointError(
            f"the registered model ranks {differ} of {len(queries)} dev queries otherwise than the checkpoint does, "
            "so it was removed again"
        )


def _run(client: MlflowClient, candidate: Candidate) -> Run:
    shown = runs.find(client, server.experiment(client), candidate.state).get(candidate.trial.number)
    if shown is None:
        raise TrackingError(
            f"trial {candidate.trial.number} of sweep '{candidate.state.name}' is not in MLflow yet; "
            "try again in a moment, or when the sweep has ended"
        )
    return client.get_run(shown.id)


def _tags(candidate: Candidate, run: Run) -> dict[str, str]:
    """What a version says of where it comes from and how good it is."""
    figures = dict(names.figures(candidate.record["figures"], "dev"))
    for floor, views in candidate.state.floors.items():
        figures |= dict(names.figures(views, f"floor_{floor}"))
    return {
        names.KIND: versions.RETRIEVER,
        names.SWEEP: candidate.state.name,
        names.TRIAL: str(candidate.trial.number),
        names.SYSTEM: candidate.trial.system,
        names.SEED: str(candidate.trial.seed),
        names.BEST_EPOCH: str(candidate.record["epoch"]),
        names.TASK: candidate.task.name,
        names.FINGERPRINT: candidate.task.fingerprint,
        "nvf.run": run.info.run_id,
        "nvf.checkpoint": candidate.digest,
        **{name: f"{value:.6f}" for name, value in figures.items() if names.finite(value)},
    }


def _text(candidate: Candidate) -> str:
    warned = cautions(candidate.state, candidate.trial, candidate.record)
    head = (
        f"`{candidate.trial.system}`, trial {candidate.trial.number:04d} of sweep `{candidate.state.name}`, "
        f"epoch {candidate.record['epoch']}, on task `{candidate.task.name}`. Cautions:"
    )
    return "\n".join([head, "", *(f"- {caution}" for caution in warned)])


def _previous(client: MlflowClient, registered: str, alias: str) -> int | None:
    held = client.get_registered_model(registered).aliases.get(alias)
    return None if held is None else int(held)
