from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from nvf import paths
from nvf.cli import doctor
from nvf.journal.events import Journal
from nvf.journal.folders import SweepFolder
from nvf.tracking import names
from nvf.tracking.sync import sync
from tests.cli.conftest import Ran
from tests.plugged import plugged
from tests.s3 import S3, SECRET
from tests.test_plugins import install
from tests.tracking import journals
from tests.tracking.servers import empty_database, free_port, own_tracking
from tests.tracking.test_database import older
from tests.tracking.test_projection import shown

__all__ = ["empty_database", "free_port", "own_tracking"]

Nvf = Callable[..., Ran]


@pytest.fixture(autouse=True)
def isolated(own_tracking: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def lines(ran: Ran, name: str) -> list[str]:
    """The lines of a check, each with its verdict."""
    return [line for line in ran.out.splitlines() if line[6:].split()[0] == name]


def test_all_is_well(nvf: Nvf, mlruns: Path) -> None:
    ran = nvf("doctor")
    assert (ran.code, ran.err) == (0, "")
    assert lines(ran, "tracking") == [f"ok    tracking   sqlite:///{mlruns}/mlflow.db"]
    assert lines(ran, "artifacts") == [f"ok    artifacts  file://{mlruns}/artifacts"]
    checks = json.loads(nvf("doctor", "--json").out)
    assert all(check["ok"] for check in checks)


def test_runs_of_a_dead_driver_are_closed_and_the_way_on_is_named(nvf: Nvf) -> None:
    folder = paths.sweep("died")
    with Journal.create(folder) as journal:
        journals.start(journal, "died")
        journals.start_trial(journal, 0)
        sync(SweepFolder(folder))
        assert shown("died")[2][0].info.status == "RUNNING"
        assert nvf("doctor").code == 0, "its driver lives"
    ran = nvf("doctor")
    assert ran.code == 1
    assert lines(ran, "sweep") == ["FAIL  sweep      the driver of 'died' died: nvf resume died"]
    assert lines(ran, "runs") == [
        "ok    runs       2 runs of sweep 'died' closed as KILLED: process 1@here, which ran it, is dead"
    ]
    _, parent, trials = shown("died")
    assert [(run.info.status, run.data.tags[names.OUTCOME]) for run in (parent, trials[0])] == [
        ("KILLED", "killed")
    ] * 2
    assert lines(nvf("doctor"), "runs") == []


def test_runs_whose_driver_is_elsewhere_are_left_and_told(nvf: Nvf, mlruns: Path) -> None:
    folder = mlruns / "elsewhere" / "far"
    with Journal.create(folder) as journal:
        journals.start(journal, "far")
        sync(SweepFolder(folder))
        ran = nvf("doctor")
    assert ran.code == 0
    assert lines(ran, "runs") == [
        "ok    runs       1 run of sweep 'far': MLflow shows it as running, by process 1@here; ask nvf doctor there"
    ]


def test_a_database_in_need_of_migration(nvf: Nvf, mlruns: Path) -> None:
    older(mlruns / "mlflow.db")
    ran = nvf("doctor")
    assert ran.code == 1
    (line,) = lines(ran, "tracking")
    assert line.startswith("FAIL") and line.endswith(f"mlflow db upgrade sqlite:///{mlruns}/mlflow.db")


def test_an_extra_that_is_missing(nvf: Nvf, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = doctor.version

    def version(name: str) -> str:
        if name in ("psycopg", "boto3"):
            raise PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(doctor, "version", version)
    ran = nvf("doctor")
    assert ran.code == 0
    assert lines(ran, "[s3]") == ["ok    [s3]       without boto3; who needs it: pip install 'nvf[s3]'"]
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://ann:s3cret@db/mlflow")
    ran = nvf("doctor")
    assert ran.code == 1
    assert "postgresql://db/mlflow needs the package psycopg: pip install 'nvf[postgres]'" in lines(ran, "tracking")[0]
    assert "s3cret" not in ran.out + ran.err


def test_artifacts_that_cannot_be_reached(nvf: Nvf, free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "s3://nvf-artifacts/mlflow")
    for name, value in S3(free_port).environment.items():
        monkeypatch.setenv(name, value)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "boto3", None)
        (line,) = lines(nvf("doctor"), "artifacts")
    assert line == (
        "FAIL  artifacts  artifacts at s3://nvf-artifacts/mlflow need the package boto3: pip install 'nvf[s3]'"
    )
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    ran = nvf("doctor")
    assert ran.code == 1
    (line,) = lines(ran, "artifacts")
    assert line.startswith("FAIL  artifacts  artifacts at s3://nvf-artifacts/mlflow cannot be read (Could not connect")
    assert SECRET not in ran.out + ran.err


@pytest.mark.parametrize("hangs", [False, True], ids=["down", "hangs"])
@pytest.mark.parametrize("scheme", ["http", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_a_tracking_server_that_does_not_answer(
    nvf: Nvf, scheme: str, hangs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        if not hangs:
            listening.close()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}://ann:s3cret@127.0.0.1:{port}/x")
        before = time.monotonic()
        ran = nvf("doctor")
    assert time.monotonic() - before < 10
    assert ran.code == 1
    (line,) = lines(ran, "tracking")
    assert line.startswith(f"FAIL  tracking   MLflow at {scheme}://127.0.0.1:{port}/x does not answer")
    assert "s3cret" not in ran.out + ran.err


def test_packages_that_extend_nvf_are_told(
    nvf: Nvf, mlruns: Path, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    install(tmp_path, "bad-things", "blue = bad_things:BLUE", "1 / 0", group="nvf.systems")
    with plugged(installed), plugged(tmp_path):
        broken, well = lines(nvf("doctor"), "package")
    assert broken.startswith("FAIL") and "bad-things 1.2" in broken
    assert "nvf-poly 0.1.0 brings system poly, source of tasks npz, loss hinge, measure RBP, sampler gp" in well
