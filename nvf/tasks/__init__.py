"""What is searched: sources of tasks by name, and the snapshots that trials open.

build({"source": "beir", "path": "...", "encoder": "minilm"})           # a Task, in memory
open_snapshot(build_snapshot({"source": "synthetic", "dim": 64}))       # the same, on disk and memory-mapped
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nvf import __version__, atomic, paths, plugins
from nvf.errors import ParamsError, TaskError, nearest
from nvf.overlap import Overlap
from nvf.params import make
from nvf.plugins import Table, is_code
from nvf.tasks import leakage
from nvf.tasks.base import Task
from nvf.tasks.beir import Beir
from nvf.tasks.outline import Look
from nvf.tasks.pairs import Pairs
from nvf.tasks.paragraphs import Paragraphs
from nvf.tasks.pydocs import PyDocs
from nvf.tasks.qdrant import Qdrant
from nvf.tasks.sequences import Sequences
from nvf.tasks.snapshot import open_snapshot, snapshot
from nvf.tasks.sources import Source
from nvf.tasks.synthetic import Synthetic
from nvf.tasks.triples import Triples
from nvf.tasks.vectors import Vectors
from nvf.tasks.walks import Walks

__all__ = [
    "SOURCES",
    "Source",
    "build",
    "build_snapshot",
    "carry",
    "check",
    "check_fit",
    "is_built",
    "look",
    "open_snapshot",
    "placed",
    "snapshot",
]

OWN = (Beir, Pairs, Paragraphs, PyDocs, Qdrant, Sequences, Synthetic, Triples, Vectors, Walks)


def _accepted(name: str, found: Any) -> Source[Any]:
    if not (isinstance(found, type) and issubclass(found, Source)):
        raise ValueError(f"{found!r} is no nvf.tasks.Source")
    if is_code(name):
        found.name = name
    elif found.name != name:
        raise ValueError(f"its name is '{found.name}'; give both the same")
    return found()


SOURCES: Table[Source[Any]] = Table("nvf.sources", "source of tasks", {kind.name: kind() for kind in OWN}, _accepted)


def check(options: Mapping[str, Any]) -> tuple[Source[Any], Any]:
    """Return the source and its checked parameters for a sweep file's `task`; reads no file.

    Raises `TaskError` where the source is missing or unknown, `ParamsError` where an option is, or is out of bounds.
    """
    name = options.get("source")
    if not isinstance(name, str) or name not in SOURCES and not is_code(name):
        raise TaskError(f"task.source = {name!r} is not a source of tasks{nearest(str(name), SOURCES.known())}")
    source = SOURCES.find(name)
    try:
        return source, make(source.Params, _flat(options))
    except ParamsError as error:
        raise ParamsError(f"task (source {name}): {error}") from None


def placed(options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the options of a sweep file's `task` with their paths made absolute, as seen from `folder`."""
    source, _ = check(options)

    def is_path(name: str, value: str) -> bool:
        return name in source.files or name == "encoder" and value != "minilm" and (folder / value).is_dir()

    return {
        name: str(folder / Path(value).expanduser()) if isinstance(value, str) and is_path(name, value) else value
        for name, value in options.items()
    }


def _flat(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options by their flattened names: `split: {train: 0.6}` is `split.train`."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        flat |= {f"{key}.{inner}": each for inner, each in value.items()} if isinstance(value, dict) else {key: value}
    return {key: value for key, value in flat.items() if key != "source"}


def look(options: Mapping[str, Any]) -> Look:
    """Return what the files of a task hold, checked as far as that goes without encoding; raises as `build` does."""
    source, params = check(options)
    seen: Look = source.look(params)
    return seen


def build(options: Mapping[str, Any]) -> Task:
    """Return the task that a sweep file's `task` describes, e.g. `{"source": "beir", "path": "..."}`.

    Vectors come from the cache where it has them.

    Raises
    ------
    TaskError, ParamsError, EncoderError
        Where options, data or encoder are at fault.
    """
    source, params = check(options)
    task: Task = source.load(params)
    return task


def build_snapshot(options: Mapping[str, Any]) -> Path:
    """Return the folder of the task's snapshot, made unless nothing that it depends on has changed since it was.

    It depends on the options, on the size and time of every input file, on the state of a server that it is read from,
    and on the code for tasks, nvf's own or that of the package that brings the source.
    """
    source, params = check(options)
    known = _place(source, params)
    if (there := _built(known)) is not None:
        return there
    folder = snapshot(source.load(params))
    atomic.write(known, folder.name)
    return folder


def is_built(options: Mapping[str, Any]) -> bool:
    """Return whether `build_snapshot` would find the snapshot there."""
    return _built(_place(*check(options))) is not None


def _place(source: Source[Any], params: Any) -> Path:
    """Return the file that says which snapshot was made of the options and what they name, as that is now."""
    origin = SOURCES.origin(source.name)
    code = [] if origin is None else sorted(plugins.files(origin.module).values())
    key = _key(source.options(params), source.state(params), [*source.inputs(params), *code])
    return paths.cache() / "tasks" / "built" / key


def _built(known: Path) -> Path | None:
    folder = paths.cache() / "tasks" / known.read_text() if known.exists() else None
    return folder if folder is not None and folder.is_dir() else None


def check_fit(home: Task, other: Task) -> None:
    """Raise `TaskError` where what is trained on `home` cannot rank `other`: other vectors, or other queries."""
    encoders = {home.encoder, other.encoder} - {None}
    if home.corpus.dim != other.corpus.dim or len(encoders) > 1:
        raise TaskError(
            f"what is trained on {home.name} cannot rank {other.name}: encoder {home.encoder} of width "
            f"{home.corpus.dim} there, {other.encoder} of width {other.corpus.dim} here; give both the same encoder"
        )
    if _asks(home) != _asks(other):
        raise TaskError(
            f"what is trained on {home.name} cannot rank {other.name}: a query is {_asks(home)} there, "
            f"{_asks(other)} here"
        )


def _asks(task: Task) -> str:
    asked = next(split.queries.vectors for split in task.splits.values() if len(split))
    return "one vector" if asked.ndim == 2 else "a window of vectors"


def carry(home: Task, other: Task, split: str) -> Task:
    """Return `other` as a system sees it that was trained on `home`; raises as `check_fit` does.

    A query of `split` is clean where it has no near-duplicate among the training queries of `home`; the leak report
    holds what the two share. Documents are not the same ones, so none counts as shared.
    """
    check_fit(home, other)
    judged, train = other.split(split), home.train
    near = leakage.near(judged.queries, train.queries, home.threshold)
    row = Overlap(
        split=f"{other.name} {split}",
        other=f"{home.name} train",
        queries=len(judged),
        same_id=0,
        same_text=int(leakage.same_text(judged.queries, train.queries).sum()),
        near=int(near.sum()),
        judged=len(np.unique(judged.qrels.relevant().rows)),
        shared=0,
        queries_shared=0,
        threshold=home.threshold,
    )
    splits = {**other.splits, split: dataclasses.replace(judged, clean=~near)}
    return dataclasses.replace(other, splits=splits, leaks=(row,))


def _key(options: Mapping[str, Any], state: str, inputs: Iterable[Path]) -> str:
    code = sorted(path for room in ("tasks", "encoders") for path in (Path(__file__).parents[1] / room).glob("*.py"))
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([options, state, __version__, sys.version], sort_keys=True, allow_nan=False).encode())
    for path in (*code, *inputs):
        there = path.stat() if path.exists() else None
        digest.update(f"{path}\x1f{there and (there.st_size, there.st_mtime_ns)}\x1e".encode())
    return digest.hexdigest()
