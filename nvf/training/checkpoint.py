"""A checkpoint: a folder of safetensors and JSON, published whole or not at all. Loading one executes nothing.

| file | holds |
| --- | --- |
| model.safetensors | `System.state()`: what ranking needs besides parameters and corpus |
| optimizer.safetensors | Adam's moments and step counts, which training needs to go on; absent where nothing is trained |
| checkpoint.json | format, nvf's version, system, parameters, seed, task, the epoch's record, digests of the files |
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as tensors_as_bytes
from torch import Tensor

from nvf import __version__, params, systems
from nvf.errors import CheckpointError, NvfError
from nvf.systems.base import System
from nvf.tasks.base import Corpus
from nvf.training.loop import Training
from nvf.training.record import Record

FORMAT = 1
META, MODEL, OPTIMISER = "checkpoint.json", "model.safetensors", "optimizer.safetensors"


def save(folder: Path, training: Training, record: Record) -> str:
    """Publish the state of `training` after `record` as `folder`, atomically, and return its digest.

    The digest covers both tensor files, and so tells whether two checkpoints rank and train alike.
    """
    files = {MODEL: tensors_as_bytes(_contiguous(training.system.state()))}
    if training.optimiser is not None:
        files[OPTIMISER] = tensors_as_bytes(_contiguous(_moments(training.optimiser)))
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    meta = {
        "format": FORMAT,
        "nvf": __version__,
        "system": training.system.name,
        "params": params.flatten(training.system.params),
        "seed": training.seed,
        "task": {
            "name": training.task.name,
            "fingerprint": training.task.fingerprint,
            "encoder": training.task.encoder,
            "max_length": training.task.max_length,
        },
        "cold": training.task.cold is not None,
        "record": record.to_json(),
        "digests": digests,
    }
    files[META] = json.dumps(meta, indent=1, allow_nan=False).encode()
    _publish(folder, files)
    return _digest(digests)


def resume(folder: Path, training: Training) -> None:
    """Bring a fresh `training` to where the checkpoint was published; raises `CheckpointError`."""
    meta = read(folder)
    if meta["system"] != training.system.name or meta["task"]["fingerprint"] != training.task.fingerprint:
        raise CheckpointError(f"{folder} is of {meta['system']} on task {meta['task']['name']}, not of this trial")
    training.prepare()
    _load_state(training.system, folder, meta)
    if training.optimiser is not None:
        _set_moments(training.optimiser, _tensors(folder, OPTIMISER, meta), folder)


def restore_system(folder: Path, corpus: Corpus, device: torch.device | str = "cpu") -> System:
    """Return the checkpoint's system, ready to rank `corpus`; raises `CheckpointError`."""
    meta = read(folder)
    try:
        system = systems.create(meta["system"], meta["params"], corpus, device)
    except NvfError as error:
        raise CheckpointError(f"{folder / META}: {error}") from None
    _load_state(system, folder, meta)
    return system


def record(folder: Path) -> Record:
    """Return the record of the epoch that the checkpoint in `folder` was published with."""
    return Record.from_json(read(folder)["record"])


def digest(folder: Path) -> str:
    """Return the digest of the checkpoint in `folder`, as `save` did."""
    return _digest(read(folder)["digests"])


def read(folder: Path) -> dict[str, Any]:
    """Return what `checkpoint.json` says; raises `CheckpointError` where it is missing, damaged or too new."""
    path = folder / META
    try:
        meta = json.loads(path.read_bytes())
        fits = meta["format"] == FORMAT and {"system", "params", "task", "record", "digests"} <= set(meta)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, KeyError):
        raise CheckpointError(f"{path}: is damaged") from None
    if not fits:
        raise CheckpointError(f"{path}: is not a checkpoint of format {FORMAT}, which this nvf reads")
    return dict(meta)


def _digest(digests: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def _contiguous(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors as safetensors wants them: on the CPU, contiguous, and sharing no memory."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}


def _publish(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` beside `folder`, bring them to the disk, and move them into place."""
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, content in files.items():
        with (fresh / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    # Only an interrupted trial that does an epoch again finds a folder here.
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def _tensors(folder: Path, name: str, meta: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return a file's tensors after its digest was found to be the recorded one."""
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    if hashlib.sha256(content).hexdigest() != meta["digests"].get(name):
        raise CheckpointError(f"{path}: is damaged (its sha256 is not the recorded one)")
    try:
        return parse_tensors(content)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: is damaged ({error})") from None


def _load_state(system: System, folder: Path, meta: Mapping[str, Any]) -> None:
    try:
        system.load_state(_tensors(folder, MODEL, meta))
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(f"{folder / MODEL}: does not fit {system.name} on this corpus: {error}") from None


def _moments(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return Adam's state as flat tensors: `place/exp_avg` and the like."""
    state = optimiser.state_dict()["state"]
    return {f"{place}/{name}": value for place, values in state.items() for name, value in values.items()}


def _set_moments(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], folder: Path) -> None:
    plain = optimiser.state_dict()
    plain["state"] = {}
    for key, value in tensors.items():
        place, _, name = key.partition("/")
        plain["state"].setdefault(int(place), {})[name] = value
    try:
        optimiser.load_state_dict(plain)
    except (ValueError, KeyError) as error:
        raise CheckpointError(f"{folder / OPTIMISER}: does not fit: {error}") from None
