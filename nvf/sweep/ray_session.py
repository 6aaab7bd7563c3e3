"""Starting or joining Ray, quietly, and without what slows small trials down."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from nvf import devices
from nvf.errors import SweepError
from nvf.sweep.signals import Interrupted

ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # they cost 1.8 times the wall time and 300 KB of memory a trial
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # signals end the sweep through the conductor
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # Tune's own state is never read
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
OBJECT_STORE = 128 * 2**20
"""Bytes for a local session's object store: corpora are memory-mapped, only reports pass through it."""
PATIENCE = 25
"""Seconds that a cluster may take to answer."""
SOCKET = "/session_2026-01-01_00-00-00_000000_/sockets/plasma_store"
"""What Ray puts behind its folder to name a socket, but for the process's number."""
LONGEST_SOCKET = 107
IMPATIENT = {"RAY_gcs_rpc_server_connect_timeout_s": "1", "RAY_py_gcs_connect_timeout_s": "8"}
"""By its own timeouts Ray asks a dead address for 41 seconds."""

for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)


def cluster(address: str | None) -> str | None:
    """Return the cluster to join: `address`, else the one that `RAY_ADDRESS` names, as it does within a Ray job.

    None stands for a session on this machine alone; Ray calls that `local`.
    """
    named = address or os.environ.get("RAY_ADDRESS")
    return None if named in (None, "", "local") else named


def look(address: str | None, cpu: float, gpu: float) -> None:
    """Find out what would keep a session from running trials that ask for so much, before the long work.

    Raises `SweepError` where the cluster at `address` does not answer, or where this machine has too little for one
    trial, a GPU that torch does not see, or no place for Ray.
    """
    if address is not None:
        ask(address)
        return
    _check_sockets()
    slots(cpu, gpu, [{"CPU": len(os.sched_getaffinity(0)), "GPU": _gpus() if gpu else 0}])
    devices.needed(gpu)


def _gpus() -> int:
    """How many GPUs Ray will find here, by its own way of counting."""
    from ray._private.accelerators import get_accelerator_manager_for_resource

    manager = get_accelerator_manager_for_resource("GPU")
    if manager is None:
        return 0
    visible = manager.get_current_process_visible_accelerator_ids()
    there = int(manager.get_current_node_num_accelerators())
    return there if visible is None else min(there, len(visible))


def _check_sockets() -> None:
    """Raise `SweepError` where Ray cannot write, or its sockets would have longer paths than Linux allows."""
    named = next((name for name in ("RAY_TMPDIR", "TMPDIR") if name in os.environ), None)
    folder = os.path.join(os.environ[named] if named else "/tmp", "ray")
    said = f"{named} = {os.environ[named]}" if named else folder
    way_out = "set RAY_TMPDIR to a short path that can be written, e.g. RAY_TMPDIR=/tmp"
    size = len(os.fsencode(f"{folder}{SOCKET}{os.getpid()}"))
    if size > LONGEST_SOCKET:
        raise SweepError(
            f"{said} is too long: paths of Ray's sockets there have {size} bytes, and Linux allows {LONGEST_SOCKET}; "
            + way_out
        )
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SweepError(f"Ray cannot write to {folder}: {error.strerror}; {way_out}") from None


def slots(cpu: float, gpu: float, nodes: Sequence[Mapping[str, float]]) -> int:
    """Return how many trials run at a time, one never across two nodes; raises `SweepError` where not one fits."""
    wanted = {"CPU": cpu, "GPU": gpu}
    found = sum(
        min(int(node.get(name, 0) / amount + 1e-9) for name, amount in wanted.items() if amount) for node in nodes
    )
    if found < 1:
        there = " + ".join(f"{node.get('CPU', 0):g} CPU and {node.get('GPU', 0):g} GPU" for node in nodes)
        raise SweepError(
            f"one trial asks for {cpu:g} CPU and {gpu:g} GPU on one node, but Ray has {there}; lower `resources`, "
            f"e.g. --set resources.{'gpu=0' if gpu else 'cpu=1'}, or join a cluster: --address HOST:PORT"
        )
    return found


def keep_keys() -> None:
    """Keep Ray Tune from handing our AWS keys to trials, which need none: Ray writes what it hands over to its logs."""
    from ray.tune.execution import class_cache

    for name in [each for each in class_cache.ENV_VARS_TO_PROPAGATE if each.startswith("AWS_")]:
        class_cache.ENV_VARS_TO_PROPAGATE.discard(name)


@contextmanager
def session(address: str | None) -> Iterator[Sequence[Mapping[str, float]]]:
    """Hold a Ray session open and yield the resources of each node that is alive, e.g. `[{"CPU": 8.0}, ...]`.

    It is in the cluster at `address` (`auto`, `host:port`), or on this machine alone (None). Raises `SweepError` where
    the cluster does not answer within `PATIENCE` seconds, refuses the token, is of another version, or is addressed by
    `ray://`; where Ray does not come up here.
    """
    import ray

    # What goes wrong with a trial is journaled and told by nvf itself.
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    logging.getLogger("ray.widgets").setLevel(logging.CRITICAL)  # what a notebook lacks for Ray's own
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        options |= {
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE,
            "num_cpus": len(os.sched_getaffinity(0)),
        }
    else:
        ask(address)
    try:
        # Without an address Ray would join whatever cluster was last started on this machine.
        ray.init(address=address or "local", **options)
    except SystemExit:  # by Ray's own handler, which it has put in place of ours
        ray.shutdown()
        raise Interrupted("SIGTERM") from None
    except Exception as error:  # some of what Ray raises is of no class of its own
        ray.shutdown()
        where = f"the Ray cluster at {address} does not fit" if address else "Ray does not start here"
        way_out = "; where this machine is busy, the same command may do in a while" if address is None else ""
        raise SweepError(f"{where}: {' '.join(str(error).split()).rstrip('.')}{way_out}") from None
    try:
        nodes = ray.nodes()  # type: ignore[no-untyped-call]
        yield [node["Resources"] for node in nodes if node["Alive"]]
    finally:
        ray.shutdown()


def ask(address: str) -> None:
    """Ask a cluster whether it would take us; raises `SweepError`.

    In a process of its own: `ray.init` goes on for minutes with an address where nobody answers, and hears no signal
    meanwhile.
    """
    if "://" in address:
        raise SweepError(
            f"{address}: a sweep's driver has to run within the cluster's network: give HOST:PORT of its head "
            "(6379 unless it was started otherwise), or send the sweep there as a job with nvf submit"
        )
    way_out = (
        "start one with ray start --head, name another one by --address HOST:PORT, or unset RAY_ADDRESS: then Ray "
        "starts on this machine for the sweep alone"
        if address == "auto"
        else "is it HOST:PORT of the head (6379 unless it was started otherwise)? Look with: ray status --address "
        + address
    )
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        # A session of its own keeps the terminal's Ctrl-C from it: that is the sweep's.
        asked = subprocess.run(
            command,
            env={**IMPATIENT, **os.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise SweepError(f"no Ray cluster answers at {address} within {PATIENCE} s; {way_out}") from None
    if asked.returncode != 0:
        said = (asked.stderr or asked.stdout).strip().splitlines() or ["no answer"]
        raise SweepError(f"no Ray cluster to join at {address}: {said[-1].split('. ')[0].rstrip('.')}; {way_out}")
