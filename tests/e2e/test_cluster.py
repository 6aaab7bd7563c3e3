"""Sweeps on a Ray cluster that was there before them: two nodes, a worker that dies, a node that dies, jobs."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nvf.errors import SweepError
from nvf.journal import events
from nvf.sweep import ray_session
from tests.cluster.local_cluster import LocalCluster, Node

pytestmark = pytest.mark.ray

ROOT = Path(__file__).parents[2]
EPOCHS = 150  # long enough that the first trial still runs when the second node's worker has started


@pytest.fixture(scope="module")
def started() -> Iterator[tuple[LocalCluster, Node]]:
    """A head and a second node, each of one CPU."""
    cluster = LocalCluster()
    try:
        yield cluster, cluster.add_node()
    finally:
        cluster.close()


@pytest.fixture
def cluster(started: tuple[LocalCluster, Node], monkeypatch: pytest.MonkeyPatch) -> LocalCluster:
    """The cluster, whose token every command of the test knows."""
    for name, value in started[0].environment.items():
        monkeypatch.setenv(name, value)
    return started[0]


def spec(home: Any) -> Path:
    """The small sweep, one CPU to a trial."""
    return home.spec(slots=len(os.sched_getaffinity(0)))


def sweep(home: Any, cluster: LocalCluster, **changes: object) -> Any:
    """Start a sweep of one system without pruning on the cluster; `search__trials=3` sets `search.trials`."""
    changes = {"system": "linear", "pruner__kind": "none", **changes}
    overrides = [f"--set={name.replace('__', '.')}={value}" for name, value in changes.items()]
    return home.start("sweep", spec(home), *overrides, "--address", cluster.address)


def records(home: Any, name: str) -> list[events.Event]:
    """The events of a sweep that hold records."""
    found = events.read(home.folder / "mlruns" / "sweeps" / name)
    return [event for event in found if event.kind == "record"]


def mark(home: Any, number: int) -> Path:
    """Leave a mark in the folder of a trial, which a trial that starts over would clear."""
    path = Path(home.folder / "mlruns" / "sweeps" / "small" / "checkpoints" / f"trial-{number:04d}" / "mark")
    path.touch()
    return path


def blocks(values: list[Any]) -> list[Any]:
    """`values`, each run of equal ones once."""
    return [value for value, _ in itertools.groupby(values)]


@pytest.mark.parametrize(
    "address, token, told",
    [
        ("ray://127.0.0.1:10001", "token", "give HOST:PORT of its head"),
        ("somewhere", "token", "no Ray cluster to join at somewhere: ValueError: Invalid address format"),
        ("127.0.0.1:1", "token", "no Ray cluster to join at 127.0.0.1:1: ray.exceptions.RpcError: Timed out"),
        ("CLUSTER", "another", "InvalidAuthToken"),
    ],
)
def test_what_cannot_be_joined_is_told_in_time(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, token: str, told: str
) -> None:
    if token == "another":
        (tmp_path / "token").write_text("0" * 64)
        monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("RAY_py_gcs_connect_timeout_s", "2")
    began = time.monotonic()
    with pytest.raises(SweepError) as caught:
        ray_session.ask(cluster.address if address == "CLUSTER" else address)
    assert told in str(caught.value) and "HOST:PORT" in str(caught.value)
    assert time.monotonic() - began < 20


def test_a_cluster_of_another_version_is_told(cluster: LocalCluster) -> None:
    code = (
        "import sys, ray\nfrom nvf.errors import SweepError\nfrom nvf.sweep.ray_session import session\n"
        "ray.__version__ = '9.9.9'\n"
        "try:\n    session(sys.argv[1]).__enter__()\n"
        "except SweepError as error:\n    print(error)\n"
    )
    done = cluster.run(sys.executable, "-c", code, cluster.address)
    assert "Version mismatch" in done.stdout and "Ray: 9.9.9" in done.stdout, done.stderr


def test_a_killed_worker_costs_no_epoch_and_an_interrupt_leaves_the_cluster_alone(
    home: Any, cluster: LocalCluster
) -> None:
    process = sweep(home, cluster, budget__epochs=10000)
    home.wait(process, "small", lambda state: len(state.trials) == 2 and state.trials[0].epoch >= 3)
    marker = mark(home, 0)
    victim = next(event.clock.pid for event in records(home, "small") if event.trial == 0)
    os.kill(victim, signal.SIGKILL)
    reached = home.state("small").trials[0].epoch
    # One more report may be under way.
    took = home.interrupt(process, "small", lambda state: state.trials[0].epoch >= reached + 3, signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130 and took < 10, err
    assert f"ray: joining {cluster.address}" in err and "2 trials at a time" in err

    written = [event for event in records(home, "small") if event.trial == 0]
    assert [event.record.epoch for event in written] == list(range(len(written)))
    workers = blocks([event.clock.pid for event in written])
    assert len(workers) == 2 and workers[0] == victim
    assert marker.exists(), "the trial went on and did not start over"
    assert home.state("small").trials[0].paused, "an interrupted trial has no outcome"

    found = cluster.look()
    assert found["free"] == len(found["nodes"]) == 2, "both nodes are there, and all their CPUs free"
    assert {event.clock.node for event in records(home, "small")} == set(found["nodes"])


@pytest.mark.slow
def test_the_trials_of_a_killed_node_go_on_on_another(home: Any, started: Any, cluster: LocalCluster) -> None:
    process = sweep(home, cluster, budget__epochs=EPOCHS, search__trials=3)
    home.wait(process, "small", lambda state: [trial.epoch >= 2 for trial in state.trials.values()] == [True, True])
    markers = [mark(home, number) for number in (0, 1)]
    started[1].crash()
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err

    state = home.state("small")
    assert state.status == "ended" and len(state.trials) == 3
    for trial in state.trials.values():
        assert trial.outcome == "complete"
        assert [record.epoch for record in trial.records] == list(range(EPOCHS + 1))
    assert all(marker.exists() for marker in markers), "no trial started over"
    nodes = [blocks([each.clock.node for each in records(home, "small") if each.trial == n]) for n in range(3)]
    moved = [each for each in nodes if len(each) > 1]
    assert len(moved) == 1 and len(moved[0]) == 2, "one trial ran on the node, and moved once"
    assert nodes.count([moved[0][1]]) == 2


def test_a_job_is_followed_to_its_end(home: Any, cluster: LocalCluster) -> None:
    name = spec(home).name
    job = home.folder / "job.yaml"
    job.write_text(f"entrypoint: nvf sweep {name} --trials 3\nworking_dir: .\nexcludes: [mlruns]\n")
    code, out, err = home.run("submit", job, "--address", cluster.dashboard)
    assert code == 0, out + err
    assert "ray: joining" in out, "a sweep in a job starts no Ray of its own"
    assert "3/3 trials" in out and "SUCCEEDED" in out
    state = home.state("small")
    assert state.status == "ended" and len(state.trials) == 3

    job.write_text("entrypoint: nvf sweep missing.yaml\n")
    code, out, err = home.run("submit", job, "--address", cluster.dashboard)
    assert code == 1
    assert "missing.yaml: cannot be read" in out and "FAILED" in out


@pytest.mark.slow
def test_the_job_that_comes_with_nvf_can_be_sent(home: Any, cluster: LocalCluster) -> None:
    text = (ROOT / "jobs" / "quickstart.yaml").read_text()
    job = home.folder / "job.yaml"
    # Its sweep takes minutes: here it is checked, from the same upload.
    job.write_text(text.replace("nvf sweep", "nvf check").replace("working_dir: ..", f"working_dir: {ROOT}"))
    code, out, err = home.run("submit", job, "--address", cluster.dashboard)
    assert code == 0, out + err
    assert "search_spaces/quickstart.yaml: valid" in out


@pytest.mark.slow
def test_a_stopped_job_pauses_its_sweep(home: Any, cluster: LocalCluster) -> None:
    job = home.folder / "job.yaml"
    job.write_text(f"entrypoint: nvf sweep {spec(home)} --set budget.epochs=10000 --set pruner.kind=none\n")
    process = home.start("submit", job, "--address", cluster.dashboard)
    home.wait(process, "small", lambda state: any(trial.epoch > 1 for trial in state.trials.values()))
    number = process.stdout.readline().split()[1].rstrip(";")
    stopped = cluster.run("ray", "job", "stop", number, "--address", cluster.dashboard)
    assert stopped.returncode == 0, stopped.stderr
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and "STOPPED" in out
    state = home.state("small")
    assert (state.status, state.reason) == ("paused", "interrupt")
