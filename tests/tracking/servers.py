"""Where tests of tracking and registry write: a fresh database each, or a real server."""

from __future__ import annotations

import os
import random
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
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
    """Return a port that Linux gives to nobody by itself: a server that is killed finds it free again."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@pytest.fixture
def free_port() -> int:
    return unused_port()


@dataclass
class Server:
    """A real MLflow server as processes of its own, over a database that outlives it.

    Attributes
    ----------
    folder
        Where its database, its artifacts and its log lie.
    port
        Where it listens, also after it was started again.
    """

    folder: Path
    port: int = field(default_factory=unused_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """What clients call."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> str:
        """What the server itself opens."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        environment = ui.environment(self.database)
        environment["MLFLOW_ARTIFACTS_DESTINATION"] = str(self.folder / "artifacts")
        with (self.folder / "log").open("a") as log:
            command = ui.command(self.port, "127.0.0.1")
            self.process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        wait_for(f"{self.address}/health")

    def kill(self) -> None:
        """Kill it with all its workers, in whatever they are doing."""
        assert self.process is not None, "it was started"
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it, where it runs."""
        if self.process is not None and self.process.poll() is None:
            ui.stop(self.process)


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server over a database of its own; yields its address."""
    server = Server(tmp_path_factory.mktemp("server"))
    try:
        server.start()
        yield server.address
    finally:
        server.stop()


def wait_for(address: str, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(address, timeout=2).read()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def use_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put MLflow on what the fixture's parameter says, and return that.

    `sqlite` is the test's own file, `server` a real server, `postgresql` a fresh database.
    """
    if request.param == "server":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", request.getfixturevalue("mlflow_server"))
    elif request.param == "postgresql":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", request.getfixturevalue("postgres").create())
    return str(request.param)
