"""A candidate becomes a version in MLflow's registry: model, tags, card; loaded back before anything points to it."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from nvf.errors import GateRefused, NvfError, TrackingError
from nvf.registry import card, named, versions
from nvf.registry import model as models
from nvf.registry.candidates import Candidate
from nvf.registry.card import Card
from nvf.registry.gates import Verdict
from nvf.registry.openings import openings
from nvf.registry.retriever import SPLIT, Retriever
from nvf.tracking import names, runs, server
from nvf.tracking.server import insist
from nvf.tracking.sync import sync
from nvf.training import checkpoint

DEPTH = 10
"""Hits per query that are compared when a model is loaded back."""


def run_of(client: MlflowClient, candidate: Candidate) -> Run:
    """Return the trial's run in MLflow; where that lacks it, MLflow is brought level first.

    Raises `TrackingError` where the run is not there, since it is for the sweep's driver to write it.
    """
    known = partial(runs.find, client, server.experiment(client), candidate.state)
    shown = known().get(candidate.trial.number)
    if shown is None:
        with candidate.sweep.alone() as idle:
            if idle:
                sync(candidate.sweep)
        shown = known().get(candidate.trial.number)
    if shown is None:
        raise TrackingError(
            f"trial {candidate.trial.number} of sweep '{candidate.state.name}' is not in MLflow yet; "
            "try again in a moment, or when the sweep has ended"
        )
    return client.get_run(shown.id)


@contextmanager
def draft(
    client: MlflowClient,
    run: Run,
    registered: str,
    candidate: Candidate,
    replaces: int | None,
    said: list[Verdict],
    forced: str | None,
    warned: list[str],
) -> Iterator[int]:
    """Give the number of a new version, with its card, that was loaded back and ranks as the checkpoint does.

    Where what is done with it fails by an error of ours, no version remains.

    Parameters
    ----------
    client, run, registered
        The registry, the trial's run, and the name of the model.
    candidate
        What becomes a version.
    replaces, said, forced, warned
        For the card: the version before, what each gate said, why one was overruled, what remains unproven.

    Raises
    ------
    GateRefused
        Where it cannot be loaded back, or ranks otherwise; no version remains.
    CheckpointError
        Where the checkpoint is missing or damaged.
    """
    expected = checkpoint.restore_system(candidate.folder, candidate.task.corpus, digest=candidate.digest)
    # a folder of each version's own: the same epoch may be promoted again, or by two at once
    place = f"model/{uuid.uuid4().hex[:12]}"
    tags = _tags(candidate, run)
    with tempfile.TemporaryDirectory() as temporary:
        models.save(
            candidate.folder, candidate.task, Path(temporary) / "model", tags, candidate.state.spec.resources.gpu
        )
        client.log_artifacts(run.info.run_id, str(Path(temporary) / "model"), place)
    try:
        insist(partial(client.create_registered_model, registered))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    insist(partial(client.set_registered_model_tag, registered, names.KIND, named.RETRIEVER))
    source = f"{run.info.artifact_uri}/{place}"
    version: ModelVersion = insist(partial(client.create_model_version, registered, source, run.info.run_id, tags=tags))
    try:
        made = Card(
            candidate=candidate,
            model=registered,
            version=int(version.version),
            replaces=replaces,
            gates=said,
            forced=forced,
            cautions=warned,
            openings=openings(candidate.task.fingerprint, candidate.sweep),
        )
        _describe(client, run, version, made, place)
        served = mlflow.pyfunc.load_model(versions.fetch(client, version).as_uri()).unwrap_python_model()
        _compare(Retriever(expected, candidate.task), served.retriever)
    except Exception as error:
        _remove(client, version)
        if isinstance(error, NvfError):
            raise
        raise GateRefused(f"the registered model cannot be loaded back, so it was removed again: {error}") from error
    try:
        yield int(version.version)
    except NvfError:  # after any other it may be that the alias points to it
        _remove(client, version)
        raise


def _describe(client: MlflowClient, run: Run, version: ModelVersion, made: Card, place: str) -> None:
    """Put the card among the version's files, and its first part into its description."""
    client.log_text(run.info.run_id, card.write(made), f"{place}/{card.FILE}")
    insist(partial(client.update_model_version, version.name, version.version, description=card.description(made)))


def _remove(client: MlflowClient, version: ModelVersion) -> None:
    """Delete a version that did not become what it was registered for."""
    insist(partial(client.delete_model_version, version.name, version.version))


def _compare(expected: Retriever, found: Retriever) -> None:
    split = expected.task.split(SPLIT)
    queries = split.queries.select(np.arange(min(models.EXAMPLES, len(split))))
    one, other = expected.rank(queries, DEPTH), found.rank(queries, DEPTH)
    if not (torch.equal(one.rows, other.rows) and torch.equal(one.scores, other.scores)):
        differ = int((one.rows != other.rows).any(dim=1).sum()) if one.rows.shape == other.rows.shape else len(queries)
        raise GateRefused(
            f"the registered model ranks {differ} of {len(queries)} dev queries otherwise than the checkpoint does, "
            "so it was removed again"
        )


def _tags(candidate: Candidate, run: Run) -> dict[str, str]:
    """What a version says of where it comes from and how good it is."""
    figures = dict(names.figures(candidate.record.figures, "dev"))
    for floor, views in candidate.state.floors.items():
        figures |= dict(names.figures(views, f"floor_{floor}"))
    for split, found in (("test", candidate.test), ("test_mean", candidate.mean)):
        figures |= dict(names.figures(found or {}, split))
    return {
        names.KIND: named.RETRIEVER,
        names.SWEEP: candidate.state.name,
        names.TRIAL: str(candidate.trial.number),
        names.SYSTEM: candidate.trial.system,
        names.SEED: str(candidate.trial.seed),
        names.BEST_EPOCH: str(candidate.record.epoch),
        names.TASK: candidate.task.name,
        names.FINGERPRINT: candidate.task.fingerprint,
        "nvf.run": run.info.run_id,
        "nvf.checkpoint": candidate.digest,
        **{name: f"{value:.6f}" for name, value in figures.items() if names.finite(value)},
    }
