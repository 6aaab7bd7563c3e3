"""Where a sweep keeps its things: PostgreSQL, two sweeps on one database, and nobody's password anywhere."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from sqlalchemy import MetaData, create_engine, select

from nvf.journal import events
from tests.e2e.home import Home
from tests.faults import equal
from tests.postgres import PASSWORD, Postgres, postgres
from tests.s3 import S3, SECRET, s3
from tests.tracking.servers import Server, unused_port, wait_for

__all__ = ["postgres", "s3"]

pytestmark = [pytest.mark.faults, pytest.mark.ray, pytest.mark.timeout(900)]

SEEDS = {"one": 1, "two": 2}
LEVEL = "0 runs and 0 metrics were added"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two sweeps, one after the other."""
    home = Home(tmp_path_factory.mktemp("alone"))
    for name in SEEDS:
        code, _, err = home.run(*sweep(home, name))
        assert code == 0, err
    return home


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """Where Ray keeps its logs; the names of its sockets must be short."""
    folder = Path(tempfile.mkdtemp(prefix="nvf-ray-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def sweep(home: Home, name: str) -> tuple[object, ...]:
    return ("sweep", home.spec(), "--name", name, "--set", f"search.seed={SEEDS[name]}")


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_two_sweeps_at_once_on_one_fresh_database_do_not_touch_each_other(
    tmp_path: Path, alone: Home, store: str, request: pytest.FixtureRequest
) -> None:
    home = Home(tmp_path)
    uri = home.database
    if store == "postgresql":
        uri = home.environment["MLFLOW_TRACKING_URI"] = request.getfixturevalue("postgres").create()
    processes = [home.start(*sweep(home, name)) for name in SEEDS]
    for process in processes:
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
    for name in SEEDS:
        equal.same(home, alone, name, uri)
        assert LEVEL in home.run("sync", name)[1]


def test_from_search_to_champion_on_postgresql_and_the_password_is_nowhere(
    tmp_path: Path, postgres: Postgres, ray_folder: Path
) -> None:
    uri = postgres.create()
    home = Home(tmp_path, {"MLFLOW_TRACKING_URI": uri, "RAY_TMPDIR": str(ray_folder)})
    said = []
    for command in (
        ("sweep", home.spec(), "--trials", 6),
        ("sync", "small"),
        ("leaderboard", "small"),
        ("promote", "small", "--force", "not confirmed"),
        ("history", "small"),
        ("doctor",),
        ("doctor", "--json"),
    ):
        code, out, err = home.run(*command)
        said.append(out + err)
        assert code == 0, f"nvf {command[0]}: {err}{out}"
    assert LEVEL in said[1]
    assert f"tracking   postgresql://127.0.0.1:{postgres.port}/" in said[5]
    assert len(equal.runs(uri, "small")) == 9, "the sweep, 6 trials, a floor and the ceiling"
    said += served(home)
    clean(PASSWORD, said, [tmp_path, ray_folder], uri)


def served(home: Home) -> list[str]:
    """Serve the UI for a moment; returns what it prints, and what `ps` shows of it."""
    port = unused_port()
    process = home.start("ui", "--port", port)
    wait_for(f"http://127.0.0.1:{port}/health")
    shown = [" ".join(each.cmdline()) for each in psutil.Process(process.pid).children(recursive=True)]
    assert any("mlflow" in line for line in shown)
    process.send_signal(signal.SIGTERM)
    return [*shown, *process.communicate(timeout=60)]


@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
def test_the_password_of_a_server_is_nowhere(tmp_path: Path, ray_folder: Path, up: bool) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    server = Server(folder)
    address = server.address.replace("//", f"//ann:{PASSWORD}@")
    home = Home(tmp_path, {"MLFLOW_TRACKING_URI": address, "RAY_TMPDIR": str(ray_folder)})
    try:
        if up:
            server.start()
        commands = [
            ("sweep", home.spec(), "--trials", 4),
            ("sync", "small"),
            ("promote", "small", "--alias", "candidate"),
            ("doctor",),
            ("ui",),
        ]
        said = [home.run(*command) for command in commands]
    finally:
        server.stop()
    assert [code for code, _, _ in said] == ([0, 0, 0, 0, 0] if up else [0, 1, 1, 1, 0])
    clean(PASSWORD, [out + err for _, out, err in said], [tmp_path, ray_folder], server.database if up else None)


def test_a_sweep_on_s3_outlives_its_machine(tmp_path: Path, alone: Home, s3: S3, ray_folder: Path) -> None:
    """It is interrupted, its folder is lost, and it goes on from what lies on s3://, as are MLflow's artifacts."""
    sweeps, artifacts = s3.bucket("nvf-sweeps"), s3.bucket("nvf-artifacts")
    elsewhere = {"MLFLOW_DEFAULT_ARTIFACT_ROOT": f"s3://{artifacts}/mlflow", "RAY_TMPDIR": str(ray_folder)}
    home = Home(tmp_path, s3.environment | elsewhere)
    process = home.start(*sweep(home, "one"), "--set", f"storage=s3://{sweeps}/team")
    home.interrupt(process, "one", lambda state: state.finished >= 8, signal.SIGTERM)
    said = list(process.communicate())
    assert process.returncode == 130
    assert f"storage: s3://{sweeps}/team/one/" in said[1]
    shutil.rmtree(home.sweep("one"))
    for command in (
        ("restore", f"s3://{sweeps}/team/one"),
        ("resume", "one"),
        ("promote", "one", "--alias", "candidate"),
        ("sync", "one"),
        ("doctor",),
    ):
        code, out, err = home.run(*command)
        said += [out, err]
        assert code == 0, f"nvf {command[0]}: {err}{out}"
        if command[0] in ("resume", "promote"):
            assert f"storage: s3://{sweeps}/team/one/" in err
        if command[0] == "sync":
            assert "0 were added" in out, "the promotion is there already"
    assert equal.story(home.sweep("one")) == equal.story(alone.sweep("one"))
    assert equal.board(home.sweep("one")) == equal.board(alone.sweep("one"))
    assert equal.runs(home.database, "one") == equal.runs(alone.database, "one")
    names = {key.rpartition("/")[2] for key in s3.keys(artifacts)}
    assert {"spec.yaml", "MLmodel", "model.safetensors"} <= names
    assert not (tmp_path / "mlruns" / "artifacts").exists()
    clean(SECRET, said, [tmp_path, ray_folder], home.database)


def test_a_bucket_that_is_not_there_is_told_before_the_sweep_and_one_that_goes_after_it(tmp_path: Path, s3: S3) -> None:
    home = Home(tmp_path, s3.environment)
    storage = ("--set", "storage=s3://nvf-volatile/team")
    code, _, err = home.run(*sweep(home, "one"), *storage)
    assert code == 1 and "there is no bucket 'nvf-volatile'; make it, or name another one" in err
    assert not home.sweep("one").exists()
    s3.bucket("nvf-volatile")
    process = home.start(*sweep(home, "one"), *storage, "--trials", 6)
    home.wait(process, "one", lambda state: state.finished >= 2)
    s3.remove("nvf-volatile")
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "nvf sync one copies what is missing" in err
    s3.bucket("nvf-volatile")
    code, out, err = home.run("sync", "one")
    assert code == 0, err
    assert LEVEL in out and f"has {len(events.read(home.sweep('one')))} events" in out
    assert any(key.startswith("team/one/") for key in s3.keys("nvf-volatile"))


def clean(secret: str, said: list[str], folders: list[Path], uri: str | None) -> None:
    """Assert that a secret stands in no line that was printed, no file, and no row of MLflow's database."""
    for text in said:
        assert secret not in text
    for folder in folders:
        assert any(path.is_file() for path in folder.rglob("*"))
        found = subprocess.run(["grep", "-rlaF", secret, str(folder)], capture_output=True, text=True)
        assert found.returncode == 1, f"the secret stands in {found.stdout}"
    if uri is not None:
        for table, rows in dumped(uri).items():
            assert secret not in json.dumps(rows, default=str), table


def dumped(uri: str) -> dict[str, list[list[object]]]:
    """Return every row of a database."""
    engine = create_engine(uri)
    tables = MetaData()
    tables.reflect(engine)
    with closing(engine.connect()) as connection:
        rows = {name: [list(row) for row in connection.execute(select(table))] for name, table in tables.tables.items()}
    engine.dispose()
    assert rows["runs"]
    return rows
