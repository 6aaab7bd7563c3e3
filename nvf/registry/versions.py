"""Model versions in MLflow's registry: which one a name means, and its files on this machine."""

from __future__ import annotations

import contextlib
import re
from contextlib import AbstractContextManager
from pathlib import Path

import mlflow.artifacts
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from nvf import atomic, paths
from nvf.errors import TrackingError, UsageError, nearest
from nvf.registry.named import ALIAS, PROMOTED_AT, RETRIEVER, parse
from nvf.tracking import moved, names, server

TIMEOUT = 120
"""Seconds for a request that carries files."""


def check_names(model: str, alias: str) -> None:
    """Raise `UsageError` where MLflow allows no such name of a model or an alias."""
    if not re.fullmatch(r"[\w.\-]{1,250}", model):
        raise UsageError(f"'{model}' is no name for a model: use letters, digits, '.', '_' and '-'")
    if not re.fullmatch(r"[\w\-]{1,250}", alias) or re.fullmatch(r"latest|v\d+", alias, re.IGNORECASE):
        raise UsageError(
            f"'{alias}' is no name for an alias: use letters, digits, '_' and '-', but not 'latest' or 'v1'"
        )


def resolve(client: MlflowClient, model: str | None) -> ModelVersion:
    """Return the model version that `model` means, or raise `UsageError` with the command that makes one.

    It is `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `NAME` for its champion, or None for the champion that was
    promoted last.
    """
    if model is None:
        return client.get_model_version_by_alias(_newest(client), ALIAS)
    name, alias, version = parse(model)
    try:
        return client.get_model_version(name, version) if version else client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise UsageError(f"the registry has no {model}{_hint(client, name, alias, version)}") from None


def _hint(client: MlflowClient, name: str, alias: str, version: str) -> str:
    """Return what comes nearest, and else what makes one."""
    models = {found.name: found for found in _retrievers(client)}
    if name not in models:
        hint = nearest(name, models)
    elif version:
        (newest,) = client.search_model_versions(f"name = '{name}'", 1, ["version_number DESC"]) or (None,)
        hint = "" if newest is None else f"; its newest version is {newest.version}"
    else:
        hint = nearest(alias, models[name].aliases)
    return hint if hint.endswith("?") else f"{hint}; `nvf promote SWEEP` registers a sweep's best"


def _retrievers(client: MlflowClient) -> list[mlflow.entities.model_registry.RegisteredModel]:
    return list(client.search_registered_models(f"tags.`{names.KIND}` = '{RETRIEVER}'", max_results=1000))


def _newest(client: MlflowClient) -> str:
    promoted = [model for model in _retrievers(client) if ALIAS in model.aliases]
    if not promoted:
        raise UsageError(f"no model has the alias '{ALIAS}' yet; `nvf promote SWEEP` gives it to a sweep's best")
    return str(max(promoted, key=lambda model: model.tags.get(PROMOTED_AT, "")).name)


def fetch(client: MlflowClient, version: ModelVersion) -> Path:
    """Return the folder of a version's model on this machine, downloaded once where it lies elsewhere.

    Raises `TrackingError` where its files are not where MLflow knows them to be.
    """
    source = client.get_model_version_download_uri(version.name, version.version)
    here = moved.local(source)
    if here is not None:
        if not here.is_dir():
            raise TrackingError(lost(version, here))
        return here
    folder = paths.cache() / "models" / f"{version.name}-{version.version}-{version.creation_timestamp}"
    if not folder.exists():
        with contextlib.suppress(FileExistsError), atomic.whole(folder) as fresh:  # another process may be quicker
            at = fresh.with_suffix(".download")
            mlflow.artifacts.download_artifacts(
                artifact_uri=source, dst_path=str(at), tracking_uri=server.tracking_uri()
            )
            (model,) = at.rglob("MLmodel")
            model.parent.rename(fresh)
    return folder


def connected() -> AbstractContextManager[MlflowClient]:
    """Yield a client that is patient enough for files; see `server.connected`."""
    return server.connected(retries=1, timeout=TIMEOUT)


def locate(model: str | None) -> tuple[ModelVersion, Path]:
    """Return the version that `model` means, and its folder on this machine; raises as `resolve` and `fetch` do."""
    with connected() as client:
        version = resolve(client, model)
        return version, fetch(client, version)


def all_lost(client: MlflowClient) -> list[str]:
    """Return a sentence for each promoted version whose files are not where MLflow knows them to be."""
    found = client.search_model_versions(f"tags.`{names.KIND}` = '{RETRIEVER}'", max_results=1000)
    places = [(version, moved.local(str(version.source))) for version in found]
    return [lost(version, here) for version, here in places if here is not None and not here.is_dir()]


def lost(version: ModelVersion, here: Path) -> str:
    """Return what to do about a version whose files are gone from `here`."""
    sweep = version.tags.get(names.SWEEP, version.name)
    return (
        f"the files of models:/{version.name}/{version.version} were in {here} and are not there any more. Where "
        f"mlruns/ was moved or copied, bring its artifacts/ to {paths.mlruns() / 'artifacts'}; or make the version "
        f"again: nvf promote {sweep}"
    )
