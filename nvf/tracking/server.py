"""Where MLflow is, and a client of it."""

from __future__ import annotations

import os
import random
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from nvf import paths
from nvf.errors import TrackingError
from nvf.redaction import safe
from nvf.tracking import database, moved

EXPERIMENT = "nvf"
UI_PORT = 5000
TRIES = 5
"""Of 8 promoters at once on SQLite and PostgreSQL, none needed more than 2."""
COLLISIONS = ("BAD_REQUEST", "TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR")
"""What MLflow makes of an integrity error, of a lock or deadlock, and of version numbers that others took."""
T = TypeVar("T")
_OWN = [name for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT") if name in os.environ]


def tracking_uri() -> str:
    """Return `MLFLOW_TRACKING_URI`, else the SQLite database in mlruns/. It may hold credentials: show `safe` of it."""
    return os.environ.get("MLFLOW_TRACKING_URI") or database.address(paths.mlruns() / "mlflow.db")


def is_server(uri: str) -> bool:
    """Return whether `uri` is that of an MLflow server, rather than of a database that this process opens itself."""
    return uri.startswith(("http://", "https://"))


def is_own(uri: str) -> bool:
    """Return whether `uri` is that of the SQLite database in mlruns/."""
    return uri == database.address(paths.mlruns() / "mlflow.db")


def client(*, retries: int = 0, timeout: int = 3) -> MlflowClient:
    """Return a client of the tracking server; a fresh database is set up on the way.

    Parameters
    ----------
    retries
        How often a request to a server is tried again, unless `MLFLOW_HTTP_REQUEST_MAX_RETRIES` says so itself. With
        MLflow's own default a server that is down blocks every call for four minutes.
    timeout
        Seconds until a request to a server is given up, unless `MLFLOW_HTTP_REQUEST_TIMEOUT` says so itself. As with
        `retries`, what one client of a process was given, a later one does not take back.

    Raises
    ------
    TrackingError
        Where the server or the database does not answer, or is of another version, naming it and the way out.
    """
    for name, value in (("MLFLOW_HTTP_REQUEST_MAX_RETRIES", retries), ("MLFLOW_HTTP_REQUEST_TIMEOUT", timeout)):
        if name not in _OWN:  # they hold for every client of this process: the most patient one asks for all
            os.environ[name] = str(max(value, int(os.environ.get(name, 0))))
    uri = tracking_uri()
    if uri.startswith("file:") or "://" not in uri and uri != "databricks":
        raise TrackingError(
            f"MLFLOW_TRACKING_URI = {uri} is a folder, which MLflow no longer writes to; "
            "set it to sqlite:////ABSOLUTE/mlflow.db or to a server's address, or unset it"
        )
    try:
        if is_server(uri):
            return _opened(uri)
        paths.mlruns().mkdir(parents=True, exist_ok=True)
        # several processes that set up one database at once all die in its migrations
        with FileLock(paths.mlruns() / "mlflow.lock", timeout=60):
            database.prepare(uri, timeout)
            if is_own(uri):
                moved.follow(paths.mlruns() / "mlflow.db", paths.mlruns() / "artifacts", EXPERIMENT)
            return _opened(uri)
    except TrackingError:
        raise
    except Exception as error:
        raise unreachable(error) from None


@contextmanager
def connected(*, retries: int = 0, timeout: int = 3) -> Iterator[MlflowClient]:
    """Yield a client as `client` returns it; what MLflow raises within the block becomes a `TrackingError`."""
    mlflow = client(retries=retries, timeout=timeout)
    try:
        yield mlflow
    except MlflowException as error:
        raise unreachable(error) from error


def insist(write: Callable[[], T]) -> T:
    """Return what `write` returns; where another writer was at the same rows, try again a moment later.

    MLflow reads a row and then inserts or updates it, so of two writers at once one may be handed the database's own
    error. Nothing of his was written, and a second try finds the row. So `write` must be safe to repeat. A server that
    does not answer is not asked again.
    """
    for attempt in range(1, TRIES):
        try:
            return write()
        except MlflowException as error:
            answered = isinstance(error, RestException) or not is_server(tracking_uri())
            if error.error_code not in COLLISIONS or not answered:
                raise
            time.sleep(random.uniform(0, 0.02 * 2**attempt))
    return write()


def _opened(uri: str) -> MlflowClient:
    opened = MlflowClient(tracking_uri=uri, registry_uri=uri)
    opened.search_experiments(max_results=1)
    if not is_server(uri):
        opened.search_registered_models(max_results=1)
    return opened


def unreachable(error: Exception) -> TrackingError:
    """Return the error to raise when MLflow does not answer, without credentials."""
    uri, text = safe(tracking_uri()), safe(str(error)).splitlines()
    return TrackingError(
        f"MLflow at {uri} does not answer ({text[0][:300] if text else type(error).__name__}); "
        "check MLFLOW_TRACKING_URI and the server; no sweep lost anything: `nvf sync NAME` brings MLflow level"
    )


def experiment(mlflow: MlflowClient) -> str:
    """Return the id of the experiment that holds all sweeps, made where there is none; raises `TrackingError`."""
    found = mlflow.get_experiment_by_name(EXPERIMENT)
    if found is None:
        try:
            return str(mlflow.create_experiment(EXPERIMENT, artifact_location=_artifacts(), tags=_tags()))
        except MlflowException:  # another process may have made it since
            found = mlflow.get_experiment_by_name(EXPERIMENT)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"the MLflow experiment '{EXPERIMENT}' was deleted; "
            f"restore it with: {command('experiments', 'restore', '--experiment-id', found.experiment_id)}"
        )
    return str(found.experiment_id)


def command(*arguments: str) -> str:
    """Return a command of MLflow's that works as it is printed, in the shell that nvf was called from."""
    own = "" if os.environ.get("MLFLOW_TRACKING_URI") else f"MLFLOW_TRACKING_URI={shlex.quote(tracking_uri())} "
    return f"{own}{database.program()} {shlex.join(arguments)}"


_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Without it the UI opens the experiment as one of chat traces."""


def _tags() -> dict[str, str]:
    """Return the tags that the experiment is made with."""
    beside = is_own(tracking_uri()) and "MLFLOW_DEFAULT_ARTIFACT_ROOT" not in os.environ
    return _EXPERIMENT_TAGS | (moved.TAG if beside else {})


def _artifacts() -> str | None:
    """Return where artifacts go; a server decides itself."""
    if is_server(tracking_uri()):
        return None
    return os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT") or (paths.mlruns() / "artifacts").as_uri()


def artifacts(mlflow: MlflowClient) -> str:
    """Return where artifacts lie; raises `TrackingError` where nothing can be read there."""
    number = experiment(mlflow)
    where = str(mlflow.get_experiment(number).artifact_location)
    folder = None if is_server(tracking_uri()) else moved.local(where)
    if folder is not None and not folder.exists() and mlflow.search_runs([number], max_results=1):
        raise TrackingError(
            f"artifacts were in {folder}, which is not there any more: bring it back, or put what it held into "
            f"{paths.mlruns() / 'artifacts'} and run nvf doctor again"
        )
    try:
        get_artifact_repository(where, tracking_uri=tracking_uri()).list_artifacts()
    except ModuleNotFoundError as error:
        way_out = "pip install 'nvf[s3]'" if where.startswith("s3:") else f"pip install {error.name}"
        raise TrackingError(f"artifacts at {safe(where)} need the package {error.name}: {way_out}") from None
    except Exception as error:  # whatever the store's own client raises
        said = safe(str(error)).splitlines()[0][:300]
        raise TrackingError(f"artifacts at {safe(where)} cannot be read ({said}); check the address and keys") from None
    return safe(where)


def ui_address() -> str:
    """Return the address of the UI: the server's, else where `nvf ui` serves it."""
    uri = tracking_uri()
    return safe(uri).rstrip("/") if is_server(uri) else f"http://127.0.0.1:{UI_PORT}"
