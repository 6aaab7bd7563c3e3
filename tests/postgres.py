"""A PostgreSQL server of the tests' own: Debian's, in a temporary folder, on a port that nobody uses."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.tracking.servers import unused_port

USER, PASSWORD = "ann", "s3cret"
"""The owner of every database. A test that finds the password where it does not belong has found a leak."""


@dataclass(frozen=True)
class Postgres:
    """A running server.

    Attributes
    ----------
    port
        Where it listens, on 127.0.0.1.
    """

    port: int

    def create(self) -> str:
        """Return the address, password and all, of a fresh and empty database."""
        name = f"mlflow_{uuid.uuid4().hex[:8]}"
        with closing(psycopg.connect(self._address("postgres"), autocommit=True)) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._address(name)

    def _address(self, database: str) -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL server, or a test that says loudly what it lacks."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not found:
        pytest.skip("no PostgreSQL below /usr/lib/postgresql: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="nvf-postgres-") as folder:
        yield from _serve(found[-1].parent, Path(folder))


def _serve(binaries: Path, folder: Path) -> Iterator[Postgres]:
    password = folder / "password"
    password.write_text(PASSWORD)
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
        shutil.chown(password, "postgres")
    data, port = folder / "data", unused_port()
    _run(binaries / "initdb", "-D", data, "-U", USER, "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync")
    # what a test server loses when the machine dies, nobody misses
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    control = (binaries / "pg_ctl", "-D", data, "-w")
    _run(*control, "-l", folder / "log", "-o", options, "start")
    try:
        yield Postgres(port)
    finally:
        _run(*control, "-m", "immediate", "stop")


def _run(*command: object) -> None:
    """Run one of PostgreSQL's programs, which refuse to work for root."""
    other = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    subprocess.run([*other, *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=120)
