from __future__ import annotations

import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase
from sqlalchemy import create_engine

from nvf.errors import TrackingError
from nvf.tracking import database, server


def revision(path: Path) -> str:
    with closing(sqlite3.connect(path)) as opened:
        return str(opened.execute("select version_num from alembic_version").fetchone()[0])


def older(path: Path) -> None:
    """Make a database as MLflow did two schemas ago."""
    path.unlink(missing_ok=True)
    engine = create_engine(f"sqlite:///{path}")
    InitialBase.metadata.create_all(engine)
    engine.dispose()
    command.upgrade(_get_alembic_config(f"sqlite:///{path}"), database._versions()[2])


@pytest.mark.slow
def test_an_older_database_is_not_migrated_unasked_and_the_command_named_does_it(
    mlruns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    path = mlruns / "mlflow.db"
    older(path)
    before = revision(path)
    with pytest.raises(TrackingError, match="older MLflow and needs a migration.*take a backup") as raised:
        server.client()
    assert revision(path) == before != database._versions()[0]
    _, _, way_out = str(raised.value).partition("run: ")
    assert way_out == f"{Path(sys.executable).with_name('mlflow')} db upgrade sqlite:///{path}"
    subprocess.run(shlex.split(way_out), check=True, capture_output=True, timeout=120)
    assert server.experiment(server.client()) == "1"


def test_a_newer_database_is_named(mlruns: Path) -> None:
    with closing(sqlite3.connect(mlruns / "mlflow.db")) as opened, opened:
        opened.execute("update alembic_version set version_num = 'beef'")
    with pytest.raises(TrackingError, match=r"made by a newer MLflow than 3\.\d+\.\d+ \(schema beef\): install that"):
        server.client()


@pytest.mark.faults
def test_a_death_while_a_database_is_set_up_leaves_nothing_behind(
    mlruns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mlruns / "mlflow.db"
    path.unlink()
    make = database._initialize_tables

    def die(engine: object) -> None:
        make(engine)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(database, "_initialize_tables", die)
        with pytest.raises(KeyboardInterrupt):
            server.client()
    assert not path.exists()
    assert server.experiment(server.client()) == "1"
    assert not list(mlruns.glob(".mlflow.db*"))


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("postgresql+asyncpg://ann:s3cret@db/x", r"asyncpg://db/x needs the package asyncpg: pip install asyncpg"),
        ("oracle+nodriver://ann:s3cret@db/x", r"oracle\+nodriver://db/x is no address that MLflow knows; write http"),
        ("postgresql://ann:s3cret@db:x/y", r"= postgresql://db:x/y is no address"),
    ],
)
def test_an_address_that_cannot_be_opened_is_named_with_the_way_out(
    uri: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError, match=said) as raised:
        server.client()
    assert "s3cret" not in str(raised.value)


def test_a_missing_extra_is_named_with_the_line_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://ann:s3cret@db/x")
    with pytest.raises(TrackingError, match=r"needs the package psycopg: pip install 'nvf\[postgres\]'"):
        server.client()
