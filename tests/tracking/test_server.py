from __future__ import annotations

import multiprocessing
import sqlite3
import time
from pathlib import Path

import pytest
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT

from nvf.errors import TrackingError
from nvf.tracking import server


def open_fresh(start: float, answers: multiprocessing.Queue[str]) -> None:
    time.sleep(max(0.0, start - time.time()))
    try:
        answers.put(server.experiment(server.client()))
    except BaseException as error:
        answers.put(f"{type(error).__name__}: {error}")


def test_four_processes_open_a_fresh_database_at_once(mlruns: Path) -> None:
    (mlruns / "mlflow.db").unlink()
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[str] = context.Queue()
    start = time.time() + 6
    processes = [context.Process(target=open_fresh, args=(start, answers)) for _ in range(4)]
    for process in processes:
        process.start()
    got = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert len(set(got)) == 1 and got[0].isdigit()
    with sqlite3.connect(mlruns / "mlflow.db") as database:
        rows = database.execute("select artifact_location from experiments where name = 'nvf'").fetchall()
    assert rows == [(f"file://{mlruns}/artifacts",)]


def test_a_server_that_is_down_is_named_within_seconds_without_credentials(
    monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ann:s3cret@127.0.0.1:{free_port}")
    before = time.monotonic()
    with pytest.raises(TrackingError, match=f"http://127.0.0.1:{free_port} does not answer.*nvf sync") as raised:
        server.client()
    assert time.monotonic() - before < 4
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns"])
def test_a_folder_is_refused_with_the_way_out(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError, match="sqlite:////ABSOLUTE"):
        server.client()


def test_a_client_that_carries_files_keeps_its_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(server, "_OWN", [])

    def asked() -> tuple[int, int]:
        return MLFLOW_HTTP_REQUEST_TIMEOUT.get(), MLFLOW_HTTP_REQUEST_MAX_RETRIES.get()

    server.client()
    assert asked() == (3, 0)
    server.client(retries=1, timeout=120)
    server.client()
    assert asked() == (120, 1)


def test_a_deleted_experiment_is_named_with_the_way_out(mlruns: Path) -> None:
    mlflow = server.client()
    mlflow.delete_experiment(server.experiment(mlflow))
    with pytest.raises(TrackingError, match="mlflow experiments restore --experiment-id 1"):
        server.experiment(mlflow)


def test_what_mlflow_raises_while_it_is_used_names_the_way_out(own_tracking: None) -> None:
    with pytest.raises(TrackingError, match=r"does not answer \(Run .* not found\); check MLFLOW"):
        with server.connected() as mlflow:
            mlflow.get_run("0" * 32)
    with pytest.raises(ZeroDivisionError), server.connected():
        raise ZeroDivisionError
