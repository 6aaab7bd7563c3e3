"""A task on disk, written once and memory-mapped by every trial: ten trials, one copy.

A snapshot is a folder of .npy arrays, Arrow columns of ids and texts, and `task.json` with everything else and each
file's size and digest. It appears whole, by a rename, or not at all, and it holds nothing that can execute code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from filelock import FileLock

from nvf import atomic, paths
from nvf.errors import TaskError
from nvf.overlap import Overlap
from nvf.tasks.base import Corpus, Qrels, Split, Task
from nvf.tasks.strings import open_strings, write_strings
from nvf.types import Queries

FORMAT = 1
MANIFEST = "task.json"
PLAIN = ("name", "source", "threshold", "encoder", "max_length", "notes", "fingerprint")
"""Fields of a task that JSON holds as they are."""


def snapshot(task: Task, root: Path | None = None) -> Path:
    """Write `task` below `root` (by default the cache) unless it is there, and return its folder.

    The folder is named by the task's fingerprint and by a digest of what the fingerprint leaves out (name, source,
    notes), so that two copies of one data set do not pass for one another.
    """
    root = paths.cache() / "tasks" if root is None else root
    rest = json.dumps(_plain(task), sort_keys=True, allow_nan=False).encode()
    folder = root / f"{task.fingerprint}-{hashlib.blake2b(rest, digest_size=4).hexdigest()}"
    if not folder.exists():
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f"{folder.name}.lock"):
            if not folder.exists():
                for left_behind in root.glob(f".{folder.name}[.-]*"):  # by a writer that was killed
                    shutil.rmtree(left_behind)
                save(task, folder)
    return folder


def save(task: Task, folder: Path) -> None:
    """Write `task` as a snapshot to `folder`, which must not exist."""
    with atomic.whole(folder) as fresh:
        fresh.mkdir()
        _write(task, fresh)


def _write(task: Task, folder: Path) -> None:
    for name in ("corpus", *task.splits):
        (folder / name).mkdir()
    corpus = task.corpus
    _write_texts(folder / "corpus", corpus.ids, corpus.texts)
    _write_arrays(folder / "corpus", vectors=corpus.vectors, order=corpus.order)
    for name, split in task.splits.items():
        _write_texts(folder / name, split.queries.ids, split.queries.texts)
        _write_arrays(folder / name, vectors=split.queries.vectors, clean=split.clean, own=split.own)
        _write_arrays(folder / name, starts=split.qrels.starts, rows=split.qrels.rows, grades=split.qrels.grades)
    if task.truth:
        (folder / "truth").mkdir()
        _write_arrays(folder / "truth", **task.truth)
    manifest = {
        "format": FORMAT,
        **_plain(task),
        "leaks": [dataclasses.asdict(row) for row in task.leaks],
        "unit": corpus.unit,
        "splits": list(task.splits),
        "truth": list(task.truth),
        "files": {str(path.relative_to(folder)): _stamp(path) for path in sorted(folder.rglob("*.*"))},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, allow_nan=False))


def _plain(task: Task) -> dict[str, Any]:
    return {name: getattr(task, name) for name in PLAIN}


def _write_texts(folder: Path, ids: Any, texts: Any) -> None:
    write_strings(folder / "ids.arrow", ids)
    if texts is not None:
        write_strings(folder / "texts.arrow", texts)


def _write_arrays(folder: Path, **arrays: Any) -> None:
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)


def _stamp(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        os.fsync(file.fileno())
    return {"bytes": path.stat().st_size, "digest": digest}


def open_snapshot(folder: Path, verify: bool = False) -> Task:
    """Return the task at `folder`, with every array and column memory-mapped.

    Arrays are mapped copy-on-write: writing to one changes this process's copy alone.

    Parameters
    ----------
    folder
        What `snapshot` returned.
    verify
        Whether to read every file and compare its digest, as after a copy over a network; its size always is.

    Raises
    ------
    TaskError
        Where a file is missing or damaged, or is a link, or where the snapshot is of another format.
    """
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise _damaged(path, "neither a plain file nor a folder")
    manifest = _manifest(folder)
    try:
        for name in (*manifest["files"], *manifest["splits"], *manifest["truth"]):
            if not _inside(name):
                raise _damaged(folder / MANIFEST, f"it names {name}, outside of its folder")
        for name, stamp in manifest["files"].items():
            _check(folder / name, stamp, verify)
        return _opened(folder, manifest, verify)
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder / MANIFEST, f"not a manifest ({error!r})") from error


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _opened(folder: Path, manifest: dict[str, Any], verify: bool) -> Task:
    return Task(
        **{name: manifest[name] for name in PLAIN if name != "notes"},
        notes=tuple(manifest["notes"]),
        leaks=tuple(Overlap(**row) for row in manifest["leaks"]),
        corpus=_open_corpus(folder / "corpus", manifest["unit"], verify),
        splits={name: _open_split(folder / name, verify) for name in manifest["splits"]},
        truth={name: _array(folder / "truth", name) for name in manifest["truth"]},
    )


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
        found = manifest["format"]
    except FileNotFoundError as error:
        raise TaskError(f"{folder} is not a task snapshot: it has no {MANIFEST}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, f"not a manifest ({error})") from error
    if found != FORMAT:
        raise TaskError(f"{path} has format {found}, this nvf reads {FORMAT}: delete {folder} and run again")
    return manifest


def _check(path: Path, stamp: dict[str, Any], verify: bool) -> None:
    if not path.exists():
        raise _damaged(path, "missing")
    if path.stat().st_size != stamp["bytes"]:
        raise _damaged(path, f"{path.stat().st_size:,} bytes instead of {stamp['bytes']:,}")
    if verify and _stamp(path)["digest"] != stamp["digest"]:
        raise _damaged(path, "its digest is wrong")


def _open_corpus(folder: Path, unit: bool, verify: bool) -> Corpus:
    ids, texts = _strings(folder, "ids", verify), _texts(folder, verify)
    return Corpus(ids, _array(folder, "vectors"), _array(folder, "order"), unit, texts)


def _open_split(folder: Path, verify: bool) -> Split:
    queries = Queries(_strings(folder, "ids", verify), _array(folder, "vectors"), _texts(folder, verify))
    qrels = Qrels(*(_array(folder, name) for name in ("starts", "rows", "grades")))
    return Split(folder.name, queries, qrels, _array(folder, "clean"), _array(folder, "own"))


def _texts(folder: Path, verify: bool) -> Any:
    return _strings(folder, "texts", verify) if (folder / "texts.arrow").exists() else None


def _strings(folder: Path, name: str, verify: bool) -> Any:
    path = folder / f"{name}.arrow"
    try:
        return open_strings(path, verify)
    except (ValueError, OSError) as error:  # pyarrow.ArrowInvalid is a ValueError
        raise _damaged(path, str(error)) from error


def _array(folder: Path, name: str) -> Any:
    path = folder / f"{name}.npy"
    try:
        return np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, what: str) -> TaskError:
    return TaskError(f"{path} is damaged: {what}; delete the snapshot's folder, and it is made again")
