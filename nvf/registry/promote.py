"""From a trial or a confirmed finalist, through the gates, to a model version behind an alias."""

from __future__ import annotations

import tempfile
import uuid
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

from nvf.errors import GateRefused, NvfError, PromotionLost, TrackingError, UsageError
from nvf.journal import folders
from nvf.journal.events import Journal, read
from nvf.registry import card, versions
from nvf.registry import model as models
from nvf.registry.alias import look, move
from nvf.registry.candidates import Candidate, choose
from nvf.registry.card import Card
from nvf.registry.cautions import cautions
from nvf.registry.findings import measure_of
from nvf.registry.gates import Verdict
from nvf.registry.gating import verdicts
from nvf.registry.openings import openings
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
        Where it comes from: the trial's best epoch, or that of the confirmation's median seed.
    model, version, alias
        Where it went.
    previous
        The version that the alias pointed to before, or None.
    figures, floors
        On dev: of the epoch, and of each floor.
    test
        On test, as confirmed; None where it was not.
    gates
        What each gate said; none where it was not confirmed.
    forced
        Why a gate was overruled, or None.
    cautions
        What remains unproven.
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
    test: Figures | None
    gates: list[Verdict]
    forced: str | None
    cautions: list[str]
    link: str


def promote(
    name: str,
    *,
    trial: int | None = None,
    model: str | None = None,
    alias: str = versions.ALIAS,
    force: str | None = None,
) -> Promotion:
    """Ask the gates, register the checkpoint as a model version, check that it ranks as it did, move the alias.

    Of a confirmed sweep it is the finalist that is best on dev, by the mean over its seeds: test chooses nothing. A
    sweep that was never confirmed gives its best trial, ungated, with cautions, unless `gates.confirmed` asks for more.

    Parameters
    ----------
    name
        The sweep.
    trial
        A trial's number; by default as above.
    model
        Name of the registered model; by default the sweep's.
    alias
        The alias that shall point to the new version.
    force
        A reason to overrule the gates; it is written down. That the model ranks as it did is never overruled.

    Raises
    ------
    GateRefused
        Where a gate says no, or the registered model does not rank as the checkpoint does; no version remains.
    PromotionLost
        Where somebody else moved the alias meanwhile; no version remains.
    SweepError
        Where there is no such sweep or trial, or no checkpoint to promote.
    CheckpointError
        Where the checkpoint is missing or damaged.
    TaskError
        Where the task is not the one that the sweep searched.
    TrackingError
        Where MLflow does not answer.
    """
    folder, registered = folders.find(name), model or name
    versions.check_names(registered, alias)
    if force is not None and not force.strip():
        raise UsageError("--force needs a reason, which is written down: --force 'the raw floor is not served'")
    candidate = choose(folder, read(folder), trial)
    live = folders.running(folder)
    if not live:
        sync(folder)
    client = server.client(retries=1, timeout=versions.TIMEOUT)
    try:
        since = look(client, registered, alias)
        said = verdicts(client, registered, since.version, candidate, ungated=force is not None)
        version = _register(client, registered, candidate, since.version, said, force)
        try:
            moved = move(
                client,
                registered,
                alias,
                since,
                int(version.version),
                "promote",
                forced=force,
                detail=_detail(candidate),
            )
        except PromotionLost:
            client.delete_model_version(registered, version.version)
            raise
    except MlflowException as error:
        raise server.unreachable(error) from error
    number = int(version.version)
    if not live:
        journal, _ = Journal.open(folder)
        with journal:
            at = {"trial": candidate.trial.number, "model": registered, "version": number, "alias": alias}
            journal.append("promoted", sync=True, **at, forced=force)
        sync(folder)
    return Promotion(
        sweep=name,
        trial=candidate.trial.number,
        system=candidate.trial.system,
        epoch=candidate.record["epoch"],
        model=registered,
        version=number,
        alias=alias,
        previous=moved.before,
        figures=candidate.record["figures"],
        floors=candidate.state.floors,
        test=None if candidate.row is None else candidate.row["test"],
        gates=said,
        forced=force,
        cautions=_cautions(candidate),
        link=f"{server.ui_address()}/#/models/{registered}/versions/{number}",
    )


def _cautions(candidate: Candidate) -> list[str]:
    return cautions(candidate.state, candidate.trial, candidate.record, candidate.opened)


def _detail(candidate: Candidate) -> dict[str, Any]:
    """What the history says of a version: where it comes from, and its first figures."""
    measure = measure_of(candidate.state)
    views = candidate.record["figures"] if candidate.row is None else candidate.row["test"]
    split = "dev" if candidate.row is None else "test"
    return {
        "sweep": candidate.state.name,
        "trial": candidate.trial.number,
        "system": candidate.trial.system,
        "figures": {f"{split} {view} {measure}": round(by[measure], 6) for view, by in views.items()},
    }


def _register(
    client: MlflowClient,
    registered: str,
    candidate: Candidate,
    replaces: int | None,
    said: list[Verdict],
    forced: str | None,
) -> ModelVersion:
    """Return a new version, with its card, that was loaded back and ranks as the checkpoint does."""
    expected = checkpoint.restore_system(candidate.folder, candidate.task.corpus, digest=candidate.digest)
    run = _run(client, candidate)
    # a folder of each version's own: the same epoch may be promoted again, or by two at once
    place = f"model/{uuid.uuid4().hex[:12]}"
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
    version = client.create_model_version(registered, source, run.info.run_id, tags=tags)
    try:
        made = Card(
            candidate=candidate,
            model=registered,
            version=int(version.version),
            replaces=replaces,
            gates=said,
            forced=forced,
            cautions=_cautions(candidate),
            openings=openings(candidate.task.fingerprint),
        )
        _describe(client, run, version, made, place)
        served = mlflow.pyfunc.load_model(str(versions.fetch(client, version))).unwrap_python_model()
        _compare(models.Retriever(expected, candidate.task), served.retriever)
    except Exception as error:
        client.delete_model_version(registered, version.version)
        if isinstance(error, NvfError):
            raise
        raise GateRefused(f"the registered model cannot be loaded back, so it was removed again: {error}") from error
    return version


def _describe(client: MlflowClient, run: Run, version: ModelVersion, made: Card, place: str) -> None:
    """Put the card among the version's files, and its first part into its description."""
    client.log_text(run.info.run_id, card.write(made), f"{place}/{card.FILE}")
    client.update_model_version(version.name, version.version, description=card.description(made))


def _compare(expected: models.Retriever, found: models.Retriever) -> None:
    split = expected.task.split(models.SPLIT)
    queries = split.queries.select(np.arange(min(models.EXAMPLES, len(split))))
    one, other = expected.rank(queries, DEPTH), found.rank(queries, DEPTH)
    if not (torch.equal(one.rows, other.rows) and torch.equal(one.scores, other.scores)):
        differ = int((one.rows != other.rows).any(dim=1).sum()) if one.rows.shape == other.rows.shape else len(queries)
        raise GateRefused(
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
    if candidate.row is not None:
        figures |= dict(names.figures(candidate.row["test"], "test"))
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
