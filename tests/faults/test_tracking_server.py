"""An MLflow server that dies, hangs, or never was there: the sweep does not notice, and `nvf sync` closes the gap."""

from __future__ import annotations

import platform
import socket
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from nvf.journal.events import Journal
from nvf.journal.folders import SweepFolder
from nvf.journal.replay import SweepState
from nvf.tracking.projector import CHUNK_BYTES, Projector
from tests.e2e.home import Home
from tests.faults import equal
from tests.tracking import journals
from tests.tracking.servers import Server, unused_port

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

LEVEL = "0 runs and 0 metrics were added"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The same sweep, undisturbed."""
    home = Home(tmp_path_factory.mktemp("reference"))
    code, _, err = home.run("sweep", home.spec())
    assert code == 0, err
    return home


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that was not started yet."""
    folder = tmp_path / "server"
    folder.mkdir()
    server = Server(folder)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def home(tmp_path: Path, server: Server) -> Home:
    return Home(tmp_path, {"MLFLOW_TRACKING_URI": server.address})


def finished(trials: int) -> Callable[[SweepState], bool]:
    return lambda state: state.finished >= trials


def synced(home: Home, server: Server, reference: Home) -> None:
    """Assert that `nvf sync` makes MLflow equal to the undisturbed sweep's, and that a second one adds nothing."""
    code, out, err = home.run("sync", "small")
    assert code == 0, err
    assert LEVEL not in out
    equal.same(home, reference, database=server.database)
    code, out, err = home.run("sync", "small")
    assert code == 0 and LEVEL in out, err
    equal.same(home, reference, database=server.database)


@pytest.mark.ray
@pytest.mark.parametrize("trials", [0, 10], ids=["at the start", "in the middle"])
def test_a_server_that_is_killed_for_good(home: Home, server: Server, reference: Home, trials: int) -> None:
    server.start()
    process = home.start("sweep", home.spec())
    home.wait(process, "small", finished(trials))
    server.kill()
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "events behind the journal: nvf sync small" in out
    server.start()
    synced(home, server, reference)


@pytest.mark.ray
def test_a_server_that_is_killed_and_comes_back_needs_no_sync(home: Home, server: Server, reference: Home) -> None:
    server.start()
    process = home.start("sweep", home.spec())
    mlflow = MlflowClient(server.database)
    trials = "tags.`nvf.kind` = 'trial'"
    home.wait(process, "small", lambda state: state.finished > 0 and len(mlflow.search_runs(["1"], trials)) > 1)
    server.kill()
    server.start()
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "behind" not in out
    equal.same(home, reference, database=server.database)
    assert LEVEL in home.run("sync", "small")[1]


@pytest.mark.ray
def test_a_server_that_is_down_for_the_whole_sweep(home: Home, server: Server, reference: Home) -> None:
    code, out, err = home.run("sweep", home.spec())
    assert code == 0, err
    assert "events behind the journal: nvf sync small" in out
    server.start()
    synced(home, server, reference)


@pytest.mark.ray
def test_a_server_that_accepts_and_never_answers(home: Home, server: Server, reference: Home) -> None:
    with socket.create_server(("127.0.0.1", server.port)):
        code, out, err = home.run("sweep", home.spec())
        assert code == 0, err
        assert "events behind the journal: nvf sync small" in out
        before = time.monotonic()
        code, _, err = home.run("sync", "small")
        assert code == 1 and "does not answer" in err
        assert time.monotonic() - before < 20
    server.start()
    synced(home, server, reference)


@pytest.mark.ray
def test_what_a_dead_driver_left_running_is_closed_by_the_doctor_and_opened_by_a_resume(
    home: Home, server: Server, reference: Home
) -> None:
    server.start()
    process = home.start("sweep", home.spec())
    home.wait(process, "small", finished(8))
    process.kill()
    process.communicate(timeout=60)
    assert "RUNNING" in statuses(server)
    code, out, _ = home.run("doctor")
    assert code == 1
    assert "the driver of 'small' died: nvf resume small" in out
    assert f"of sweep 'small' closed as KILLED: process {process.pid}@{platform.node()}" in out
    assert "RUNNING" not in statuses(server)
    process = home.start("resume", "small")
    while process.poll() is None and "RUNNING" not in statuses(server):
        time.sleep(0.1)
    assert process.poll() is None, "its runs were never opened again"
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    equal.same(home, reference, database=server.database)


def statuses(server: Server) -> list[str]:
    client = MlflowClient(server.database)
    return [run.info.status for run in client.search_runs([client.get_experiment_by_name("nvf").experiment_id])]


@pytest.mark.parametrize("hangs", [False, True], ids=["down", "hangs"])
def test_a_report_waits_less_than_a_millisecond_for_tracking(
    mlruns: Path, hangs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = unused_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    listening = socket.create_server(("127.0.0.1", port)) if hangs else None
    alone, beside = reports(mlruns / "alone", track=False), reports(mlruns / "beside", track=True)
    if listening is not None:
        listening.close()
    print(f"median ms of a report: {1000 * alone:.3f} alone, {1000 * beside:.3f} beside tracking")
    assert beside - alone < 0.001


def reports(folder: Path, *, track: bool) -> float:
    """Return the median seconds that the journal takes for a record."""
    costs = []
    with Journal.create(folder) as journal:
        projector = Projector(SweepFolder(folder))
        journals.start(journal)
        if track:
            projector.start()
        journals.start_trial(journal, 0)
        for epoch in range(1500):
            before = time.perf_counter()
            journals.record(journal, 0, epoch, 0.5)
            costs.append(time.perf_counter() - before)
            time.sleep(0.004)
        projector.close(timeout=0)
    return statistics.median(costs)


def test_what_tracking_remembers_does_not_grow_with_the_gap(
    mlruns: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server dies for good in the middle; 20 MiB of records follow."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    server.start()
    folder = mlruns / "sweeps" / journals.NAME
    with Journal.create(folder) as journal:
        projector = Projector(SweepFolder(folder))
        journals.start(journal)
        journals.start_trial(journal, 0)
        projector.start()
        deadline = time.monotonic() + 60
        while projector.link() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        server.kill()
        tracemalloc.start()
        try:
            grown = [written(journal, folder, megabytes) for megabytes in (10, 20)]
        finally:
            tracemalloc.stop()
        behind = projector.close(timeout=0)
    assert behind > 10_000
    # one chunk of the journal, as Python holds it
    assert grown[1] < 20 * CHUNK_BYTES
    assert grown[1] - grown[0] < CHUNK_BYTES, grown


def written(journal: Journal, folder: Path, megabytes: int) -> int:
    """Grow the journal to so many MiB; returns the bytes that this process holds then, after a second's rest."""
    epoch = 0
    while journal.path.stat().st_size < megabytes << 20:
        journals.record(journal, 0, epoch, 0.5)
        epoch += 1
    time.sleep(1)
    return tracemalloc.get_traced_memory()[0]
