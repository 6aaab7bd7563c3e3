"""Sweeps on a Ray cluster that was there before them: two nodes, a worker that dies, a node that dies, jobs."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nvf.journal import events
from tests.cluster.local_cluster import LocalCluster, Node

pytestmark = pytest.mark.ray

LONG = {"kind: successive_halving": "kind: none", "epochs: 4": "epochs: 60"}
ROOT = Path(__file__).parents[2]
EPOCHS = list(range(61))
ENDLESS = {**LONG, "epochs: 4": "epochs: 10000"}


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


def spec(home: Any, **changes: str) -> Path:
    """The small sweep, one CPU to a trial."""
    return home.spec(slots=os.cpu_count() or 1, **changes)


def records(home: Any, name: str) -> list[events.Event]:
    """The events of a sweep that hold records."""
    found = events.read(home.folder / "mlruns" / "sweeps" / name)
    return [event for event in found if event["kind"] == "record"]


def mark(home: Any, number: int) -> Path:
    """Leave a mark in the folder of a trial, which a trial that starts over would clear."""
    path = Path(home.folder / "mlruns" / "sweeps" / "small" / "checkpoints" / f"trial-{number:04d}" / "mark")
    path.touch()
    return path


def blocks(values: list[Any]) -> list[Any]:
    """`values`, each run of equal ones once."""
    return [value for value, _ in itertools.groupby(values)]


def test_an_interrupted_sweep_leaves_the_cluster_as_it_was(home: Any, cluster: LocalCluster) -> None:
    process = home.start("sweep", spec(home, **ENDLESS), "--address", cluster.address)
    took = home.interrupt(
        process,
        "small",
        lambda state: len([trial for trial in state.trials.values() if trial.epoch >= 2]) == 2,
        signal.SIGINT,
    )
    _, err = process.communicate()
    assert process.returncode == 130 and took < 10, err
    assert f"ray: joining {cluster.address}" in err and "2 trials at a time" in err
    found = cluster.look()
    assert found["free"] == len(found["nodes"]) == 2, "both nodes are there, and all their CPUs free"
    assert {event["clock"]["node"] for event in records(home, "small")} == set(found["nodes"])


def test_a_killed_worker_costs_no_epoch(home: Any, cluster: LocalCluster) -> None:
    process = home.start(
        "sweep",
        spec(home, **LONG, **{"trials: 20": "trials: 1"}),
        "--set",
        "system=linear",
        "--address",
        cluster.address,
    )
    home.wait(process, "small", lambda state: 0 in state.trials and state.trials[0].epoch >= 3)
    marker = mark(home, 0)
    victim = records(home, "small")[-1]["clock"]["pid"]
    os.kill(victim, signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err

    workers = [event["clock"]["pid"] for event in records(home, "small")]
    assert workers[0] == victim and len(blocks(workers)) == 2
    assert marker.exists(), "the trial went on and did not start over"
    trial = home.state("small").trials[0]
    assert trial.outcome == "complete"
    assert [record["epoch"] for record in trial.records] == EPOCHS


def test_the_trials_of_a_killed_node_go_on_on_another(home: Any, started: Any, cluster: LocalCluster) -> None:
    process = home.start(
        "sweep",
        spec(home, **LONG, **{"trials: 20": "trials: 3"}),
        "--set",
        "system=linear",
        "--address",
        cluster.address,
    )
    home.wait(process, "small", lambda state: len([trial for trial in state.trials.values() if trial.epoch >= 2]) == 2)
    markers = [mark(home, number) for number in (0, 1)]
    started[1].crash()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err

    state = home.state("small")
    assert state.status == "ended" and len(state.trials) == 3
    for trial in state.trials.values():
        assert trial.outcome == "complete"
        assert [record["epoch"] for record in trial.records] == EPOCHS
    assert all(marker.exists() for marker in markers), "no trial started over"
    nodes = [blocks([each["clock"]["node"] for each in records(home, "small") if each["trial"] == n]) for n in range(3)]
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
    assert {event["clock"]["node"] for event in records(home, "small")} <= set(cluster.look()["nodes"])

    job.write_text("entrypoint: nvf sweep missing.yaml\n")
    code, out, err = home.run("submit", job, "--address", cluster.dashboard)
    assert code == 1
    assert "missing.yaml: cannot be read" in out and "FAILED" in out


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
    job.write_text(f"entrypoint: nvf sweep {spec(home, **ENDLESS)}\n")
    process = home.start("submit", job, "--address", cluster.dashboard)
    home.wait(process, "small", lambda state: any(trial.epoch > 1 for trial in state.trials.values()))
    number = process.stdout.readline().split()[1].rstrip(";")
    stopped = cluster.run("ray", "job", "stop", number, "--address", cluster.dashboard)
    assert stopped.returncode == 0, stopped.stderr
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and "STOPPED" in out
    state = home.state("small")
    assert (state.status, state.reason) == ("paused", "interrupt")
