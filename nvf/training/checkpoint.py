"""Checkpoints: safetensors and JSON in a folder that appears at once or not at all; loading one executes nothing.

A checkpoint is a folder of three files:

| file | holds |
| --- | --- |
| model.safetensors | the system's `state`: all that it needs to rank its corpus |
| optimizer.safetensors | Adam's moments, to train on |
| checkpoint.json | format, version, system, package, params, epoch, seed, task, record, sha256 of the other two |

Its digest is the sha256 of `checkpoint.json`, and so covers all three.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from nvf import __version__, atomic, systems
from nvf.errors import CheckpointError, NvfError
from nvf.params import bounds, flatten
from nvf.plain import adapter, plain
from nvf.plugins import Origin
from nvf.systems.base import System
from nvf.tasks.base import Corpus
from nvf.training.loop import Training
from nvf.training.record import Record
from nvf.training.scarcity import is_batch

FORMAT = 1
MODEL, OPTIMIZER, META = "model.safetensors", "optimizer.safetensors", "checkpoint.json"
KINDS = {"files": dict, "system": str, "params": dict, "epoch": int, "seed": int, "task": dict, "record": dict}
"""What `checkpoint.json` holds besides its format."""
MISFITS = (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError)
"""What tensors and records raise that are not what they should be."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a folder held, verified.

    Attributes
    ----------
    folder
        Where it lies.
    meta
        `checkpoint.json`: format, nvf, system, params, epoch, seed, task, record, files.
    model, optimizer
        Tensors by name.
    digest
        sha256 of `checkpoint.json`.
    """

    folder: Path
    meta: Mapping[str, Any]
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    digest: str

    @property
    def record(self) -> Record:
        """The record that was published with it; raises `CheckpointError` where it is none."""
        try:
            record: Record = adapter(Record).validate_python(self.meta["record"])
            return record
        except MISFITS as error:
            raise CheckpointError(f"{self.folder / META} is damaged: its record is none: {error!r}") from None


def save(folder: Path, training: Training, record: Record) -> str:
    """Publish the trial as it stands after `record` in `folder`, atomically, and return the digest.

    What lay in `folder` before, a checkpoint of the same epoch that nobody journaled, is replaced.
    """
    task = training.task
    files = {
        MODEL: safetensors.torch.save({name: value.contiguous() for name, value in training.system.state().items()}),
        OPTIMIZER: safetensors.torch.save(_optimizer_state(training.optimiser)),
    }
    meta = {
        "format": FORMAT,
        "nvf": __version__,
        "system": training.system.name,
        "params": flatten(training.system.params),
        "epoch": record.epoch,
        "seed": training.seed,
        "task": {
            "name": task.name,
            "fingerprint": task.fingerprint,
            "encoder": task.encoder,
            "max_length": task.max_length,
        },
        # Without the clock: equal trials publish equal checkpoints.
        "record": plain(dataclasses.replace(record, clock={})),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    if (origin := _origin(training.system.name)) is not None:
        meta["package"] = {"name": origin.package, "version": origin.version}
    files[META] = json.dumps(meta, indent=1, allow_nan=False).encode()
    _publish(folder, files)
    return hashlib.sha256(files[META]).hexdigest()


def load(folder: Path, digest: str | None = None) -> Checkpoint:
    """Return the checkpoint in `folder`, or raise `CheckpointError` naming the file that is missing or damaged.

    With `digest` (as journaled), what lies there must be what was published then.
    """
    content = _read(folder / META)
    found = hashlib.sha256(content).hexdigest()
    if digest is not None and found != digest:
        raise CheckpointError(f"{folder / META} is not the file that was published: sha256 {found}, expected {digest}")
    meta = _meta(folder / META, content)
    tensors = {name: _tensors(folder / name, meta["files"][name]) for name in (MODEL, OPTIMIZER)}
    return Checkpoint(folder, meta, tensors[MODEL], tensors[OPTIMIZER], found)


def read_meta(folder: Path) -> dict[str, Any]:
    """Return what `checkpoint.json` holds; raises `CheckpointError` where it is missing or damaged."""
    return _meta(folder / META, _read(folder / META))


def requirement(meta: Mapping[str, Any]) -> str | None:
    """Return the package that brings the system of a checkpoint, as pip takes it; None where there is none."""
    package = meta.get("package")
    return None if package is None else Origin(str(package.get("name")), str(package.get("version")), "").requirement


def restore_system(folder: Path, corpus: Corpus, digest: str | None = None) -> System:
    """Return the trained system of the checkpoint in `folder`, ready to rank `corpus` on `devices.current()`.

    It needs no training data.
    """
    checkpoint = load(folder, digest)
    system = _create(checkpoint, corpus)
    _fill(system, checkpoint)
    return system


def resume(folder: Path, training: Training, digest: str | None = None, *, halved: bool = False) -> Record:
    """Bring `training`, not started yet, to where the checkpoint in `folder` left it, and return its record.

    With `halved`, the checkpoint may have been published with another size of the batch.

    Raises
    ------
    CheckpointError
        Where the checkpoint is damaged, or belongs to another system, seed, setting or task.
    """
    checkpoint = load(folder, digest)
    defaults = {name: bound.default for name, bound in bounds(type(training.system.params)).items()}
    own = {
        "system": training.system.name,
        "params": _unbatched(json.loads(json.dumps(flatten(training.system.params), allow_nan=False)), halved),
        "seed": training.seed,
        "fingerprint": training.task.fingerprint,
    }
    held = {
        **checkpoint.meta,
        "params": _unbatched({**defaults, **checkpoint.meta["params"]}, halved),  # it may be older than some of them
        "fingerprint": checkpoint.meta["task"].get("fingerprint"),
    }
    for key, value in own.items():
        if held[key] != value:
            raise CheckpointError(
                f"{folder} cannot be gone on with: its {key} is {held[key]!r}, the trial's is {value!r}"
            )
    training.prepare()
    _fill(training.system, checkpoint)
    if training.optimiser is not None:
        try:
            _load_optimizer(training.optimiser, checkpoint.optimizer)
        except MISFITS as error:
            raise CheckpointError(f"{folder / OPTIMIZER} does not fit the optimiser: {error}") from None
    return checkpoint.record


def _unbatched(params: Mapping[str, Any], halved: bool) -> dict[str, Any]:
    return {name: value for name, value in params.items() if not (halved and is_batch(name))}


def _origin(system: str) -> Origin | None:
    return systems.SYSTEMS.origin(system) if system in systems.SYSTEMS else None


def _publish(folder: Path, files: Mapping[str, bytes]) -> None:
    with atomic.whole(folder, instead=True) as fresh:
        fresh.mkdir()
        for name, content in files.items():
            (fresh / name).write_bytes(content)


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # no link out of the folder, and no pipe that never ends
            raise CheckpointError(f"{path} is not a plain file")
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"no checkpoint file {path}: {error.strerror}") from None


def _meta(path: Path, content: bytes) -> dict[str, Any]:
    try:
        meta = json.loads(content)
        version, names = meta["format"], set(meta["files"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CheckpointError(f"{path} is damaged: it is not the JSON of a checkpoint") from None
    if version != FORMAT:
        raise CheckpointError(f"{path} has format {version!r}; this nvf {__version__} reads {FORMAT}: use another nvf")
    if names != {MODEL, OPTIMIZER}:
        raise CheckpointError(f"{path} names the files {sorted(names)}; a checkpoint has {MODEL} and {OPTIMIZER}")
    wrong = sorted(key for key, kind in KINDS.items() if not isinstance(meta.get(key), kind))
    wrong += [] if isinstance(meta.get("package", {}), dict) else ["package"]
    if wrong:
        raise CheckpointError(f"{path} is damaged: it lacks {', '.join(wrong)}, or has another kind of value there")
    return dict(meta)


def _tensors(path: Path, digest: str) -> dict[str, Tensor]:
    content = _read(path)
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise CheckpointError(f"{path} is damaged: sha256 {found}, expected {digest}")
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load(content)
    except SafetensorError as error:
        raise CheckpointError(f"{path} does not hold tensors: {error}") from None
    return tensors


def _create(checkpoint: Checkpoint, corpus: Corpus) -> System:
    try:
        return systems.create(checkpoint.meta["system"], checkpoint.meta["params"], corpus)
    except NvfError as error:
        at, package = checkpoint.folder / META, requirement(checkpoint.meta)
        if package is not None and checkpoint.meta["system"] not in systems.SYSTEMS:
            raise CheckpointError(
                f"{at}: its system '{checkpoint.meta['system']}' is of another package: pip install {package}"
            ) from None
        raise CheckpointError(f"{at} does not fit nvf {__version__}: {error}") from None


def _fill(system: System, checkpoint: Checkpoint) -> None:
    try:
        system.load_state(checkpoint.model)
    except MISFITS as error:
        raise CheckpointError(
            f"{checkpoint.folder / MODEL} does not fit system {system.name} on this corpus: {error}"
        ) from None


def _optimizer_state(optimizer: torch.optim.Optimizer | None) -> dict[str, Tensor]:
    """Return Adam's tensors as `PLACE.NAME`, the place of the parameter among all groups."""
    state = {} if optimizer is None else optimizer.state_dict()["state"]
    return {f"{place}.{name}": value.cpu() for place, held in state.items() for name, value in held.items()}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        place, _, name = key.partition(".")
        state.setdefault(int(place), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
