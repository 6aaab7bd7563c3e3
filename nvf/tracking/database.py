"""A database behind MLflow that this process opens itself: made whole, asked briefly, and never migrated unasked."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sqlite3
import sys
from functools import cache
from pathlib import Path

import mlflow
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _initialize_tables
from sqlalchemy import URL, NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from nvf import atomic
from nvf.errors import TrackingError
from nvf.redaction import safe

EXTRAS = {"postgresql": "pip install 'nvf[postgres]'"}
"""What brings the driver of a database."""
IMPATIENT = ("postgresql", "mysql")
"""Databases whose drivers know `connect_timeout`."""


def address(path: Path) -> str:
    """Return what MLflow takes for the SQLite database at `path`, whatever characters are in it."""
    uri = URL.create("sqlite", database=str(path)).render_as_string()
    # MLflow makes the folder that it reads behind `sqlite:///`, quoted as it is: `exp %231` beside `exp #1`
    return uri.replace("sqlite", "sqlite+pysqlite", 1) if "%" in uri else uri


def program() -> str:
    """Return how the `mlflow` that belongs to this nvf is called in the user's shell."""
    own = Path(sys.executable).with_name("mlflow")
    return "mlflow" if shutil.which("mlflow") == str(own) else shlex.quote(str(own))


def prepare(uri: str, timeout: int) -> None:
    """See to it that MLflow can open the database at `uri`, SQLAlchemy's address of it; one process at a time.

    MLflow itself would try a database that is down for 100 seconds, and migrate one of an older version without a
    word; here a server that does not answer is given up after `timeout` seconds.

    Raises
    ------
    TrackingError
        Where the address does not parse, its driver is missing, or the database is of another version of MLflow.
    """
    url = _parse(uri)
    if url.get_backend_name() == "sqlite" and url.database:
        _make(Path(url.database))
    if url.get_backend_name() in IMPATIENT:
        url = url.set(query={"connect_timeout": str(timeout), **url.query})
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    if found not in (None, _versions()[0]):
        raise TrackingError(_other_version(uri, found))


def _parse(uri: str) -> URL:
    try:
        url = make_url(uri)
        url.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise TrackingError(
            f"MLFLOW_TRACKING_URI = {safe(uri)} is no address that MLflow knows; write http(s)://HOST:PORT, "
            "postgresql://USER:PASSWORD@HOST/DATABASE or sqlite:////ABSOLUTE/mlflow.db"
        ) from None
    except ModuleNotFoundError as error:
        way_out = EXTRAS.get(url.drivername, f"pip install {error.name}")
        raise TrackingError(f"MLFLOW_TRACKING_URI = {safe(uri)} needs the package {error.name}: {way_out}") from None
    return url


def _make(database: Path) -> None:
    """Give MLflow a database that appears at once or not at all: one that is half set up cannot be gone on with."""
    if not database.exists() or database.stat().st_size == 0:
        with atomic.whole(database) as fresh:
            engine = create_engine(address(fresh), poolclass=NullPool)
            _initialize_tables(engine)  # type: ignore[no-untyped-call]
            engine.dispose()
    # the UI may read while a sweep writes; it also halves the time of a write
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(database)) as opened:
        opened.execute("PRAGMA journal_mode=WAL")


@cache
def _versions() -> list[str]:
    """Every version of a database that this MLflow knows, its own first."""
    scripts = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    return [script.revision for script in scripts.walk_revisions()]


def _other_version(uri: str, found: str | None) -> str:
    if found in _versions():
        shown = shlex.quote(uri) if safe(uri) == uri else '"$MLFLOW_TRACKING_URI"'
        return (
            f"the database at {safe(uri)} was made by an older MLflow and needs a migration (schema {found}, not "
            f"{_versions()[0]}): take a backup, then run: {program()} db upgrade {shown}"
        )
    return (
        f"the database at {safe(uri)} was made by a newer MLflow than {mlflow.__version__} (schema {found}): install "
        "that one, or give nvf a database of its own by MLFLOW_TRACKING_URI"
    )
