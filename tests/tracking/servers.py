"""Where tests of tracking and registry write: a fresh database each, or a real server."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nvf.tracking import server, ui


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that MLflow has set up, which takes seconds, and that holds nothing yet."""
    folder = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NVF_MLRUNS", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        server.client()
    return folder / "mlflow.db"


@pytest.fixture
def own_tracking(mlruns: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches the user's own tracking server."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    mlruns.mkdir(parents=True)
    with closing(sqlite3.connect(empty_database)) as source, closing(sqlite3.connect(mlruns / "mlflow.db")) as copy:
        source.backup(copy)


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def free_port() -> int:
    return unused_port()


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server over a database of its own; yields its address."""
    folder, port = tmp_path_factory.mktemp("server"), unused_port()
    environment = ui.environment(f"sqlite:///{folder / 'mlflow.db'}")
    environment["MLFLOW_ARTIFACTS_DESTINATION"] = str(folder / "artifacts")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ui.command(port, "127.0.0.1"), env=environment, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        ui.stop(process)


def wait_for(address: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(address, timeout=2).read()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
