"""Copies of a sweep on s3://: what is left of it when the driver's machine is gone.

| below STORAGE/NAME/STARTED/ | holds |
| --- | --- |
| checkpoints/DIGEST/ | the files of a checkpoint, as published; the digest is the journal's |
| journal-000123.jsonl | the journal when it had 123 events |

No object ever changes: what a journal names by digest, and how many events it has, say what is in it. The journal goes
last, so what it names is there when it is.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyarrow import fs

from nvf import paths
from nvf.errors import CheckpointError, StorageError, SweepError
from nvf.journal.folders import SweepFolder
from nvf.journal.kinds import Event, RecordTaken, Replicated
from nvf.journal.replay import SweepState
from nvf.redaction import safe
from nvf.training import checkpoint

log = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
SILENCE = 8.0
"""Seconds; pyarrow's own ways take 99 s to give up a server that accepts and never answers."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What `archive` did: how many events and checkpoints are at the address, and how many files were `added`."""

    where: str
    events: int
    checkpoints: int
    added: int

    def __str__(self) -> str:
        return f"{self.where} has {self.events} events and {self.checkpoints} checkpoints; {self.added} were added"


def check(storage: str) -> None:
    """Raise `StorageError` where the bucket of `storage` does not answer or is not there."""
    with _opened(storage) as (files, path):
        bucket = path.partition("/")[0]
        if files.get_file_info(bucket).type is fs.FileType.NotFound:
            raise StorageError(f"storage = {storage}: there is no bucket '{bucket}'; make it, or name another one")


def archive(sweep: SweepFolder) -> Copied | None:
    """Copy the journal of a sweep, and the checkpoints that it names and that are there, to the spec's `storage`.

    A second time adds nothing. Returns None where the spec names no storage.

    Raises
    ------
    JournalError
        Where there is no journal, or a damaged one.
    StorageError
        Where the storage does not take it.
    """
    found, state = sweep.events(), sweep.state()
    storage = state.spec.storage
    if storage is None:
        return None
    where = f"{storage.rstrip('/')}/{state.name}/{_started(state)}"
    published = {digest: local for local, digest in _published(sweep, found) if _whole(local, digest)}
    with _opened(where) as (files, path), tempfile.TemporaryDirectory() as temporary:
        added = sum(_put(files, local, f"{path}/{CHECKPOINTS}/{digest}") for digest, local in published.items())
        lines = sweep.journal.read_bytes().splitlines(keepends=True)
        (Path(temporary) / _file(len(found))).write_bytes(b"".join(lines[: len(found)]))
        added += _put(files, Path(temporary), path)
    return Copied(where, len(found), len(published), added)


def keep(sweep: SweepFolder, storage: str | None) -> None:
    """Where the spec names a `storage`, do what `archive` does; one that is down costs nothing but a warning."""
    if storage is None:
        return
    try:
        log.info(f"storage: {archive(sweep)}")
    except StorageError as error:
        log.warning(f"storage: {error}; nvf sync {sweep.name} copies what is missing")


def restore(where: str) -> Path:
    """Bring a sweep back from its copies, and return its folder.

    Parameters
    ----------
    where
        STORAGE/NAME for the sweep of this name that began last, or STORAGE/NAME/STARTED.

    Raises
    ------
    StorageError
        Where nothing is there, or the storage does not answer.
    SweepError
        Where there is a sweep of this name.
    JournalError, CheckpointError
        Where a copy is damaged. Nothing is left behind.
    """
    paths.sweeps().mkdir(parents=True, exist_ok=True)
    with _opened(where) as (files, path), tempfile.TemporaryDirectory(dir=paths.sweeps(), prefix=".") as temporary:
        source, fresh = _last(files, path, where), SweepFolder(Path(temporary) / "sweep")
        fresh.path.mkdir()
        fs.copy_files(source, str(fresh.journal), source_filesystem=files)
        folder = paths.sweep(fresh.state().name)
        if folder.exists():
            raise SweepError(f"{folder} is there: go on with that sweep, or move it away and try again")
        for local, digest in _published(fresh, fresh.events()):
            held = f"{source.rpartition('/')[0]}/{CHECKPOINTS}/{digest}"
            if files.get_file_info(held).type is fs.FileType.Directory:
                local.mkdir(parents=True, exist_ok=True)
                fs.copy_files(held, str(local), source_filesystem=files)
                checkpoint.load(local, digest)
        fresh.path.rename(folder)
    return folder


@contextmanager
def _opened(uri: str) -> Iterator[tuple[fs.FileSystem, str]]:
    """Yield the file system of `uri` and the path in it; whatever it refuses is a `StorageError`."""
    try:
        if not uri.startswith("s3://"):
            raise ValueError("it does not begin with s3://")
        path = uri.removeprefix("s3://")
        yield _filesystem(path.partition("/")[0]), path
    except (OSError, ValueError) as error:
        said = safe(str(error)).splitlines()[0]
        raise StorageError(
            f"{safe(uri)} does not answer, or refuses ({said}); check the address, AWS_ENDPOINT_URL and the credentials"
        ) from None


def _filesystem(bucket: str) -> fs.FileSystem:
    """Return the S3 of the environment. One that says nothing for `SILENCE` is asked once more, and then given up."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return fs.S3FileSystem(
        endpoint_override=endpoint,
        region=None if endpoint else fs.resolve_s3_region(bucket),
        connect_timeout=SILENCE,
        request_timeout=SILENCE,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=2),
    )


def _started(state: SweepState) -> str:
    at: float = state.started.t
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(at)) + f"{at % 1:.3f}"[1:]


def _file(count: int) -> str:
    return f"journal-{count:06d}.jsonl"


def _published(sweep: SweepFolder, found: Iterable[Event]) -> Iterator[tuple[Path, str]]:
    """Yield place and digest of every checkpoint that the journal names, of replicates too; the last of a place."""
    published = (event.checkpoint for event in found if isinstance(event, RecordTaken | Replicated))
    named = {each.folder: each.digest for each in published if each is not None}
    for relative, digest in named.items():
        yield sweep.inside(relative), digest


def _whole(folder: Path, digest: str) -> bool:
    """Return whether a checkpoint is still there, as it was published."""
    try:
        checkpoint.load(folder, digest)
    except CheckpointError:
        return False
    return True


def _put(files: fs.FileSystem, folder: Path, path: str) -> bool:
    """Copy the files of a folder to `path`, unless they are there; returns whether any was not."""
    sizes = {f"{path}/{each.name}": each.stat().st_size for each in folder.iterdir()}
    if all(info.size == sizes[info.path] for info in files.get_file_info(list(sizes))):
        return False
    fs.copy_files(str(folder), path, destination_filesystem=files)
    return True


def _last(files: fs.FileSystem, path: str, where: str) -> str:
    """Return the path of the longest journal of the sweep that began last."""
    selector = fs.FileSelector(path.rstrip("/"), recursive=True, allow_not_found=True)
    journals = [info.path for info in files.get_file_info(selector) if info.base_name.startswith("journal-")]
    if not journals:
        raise StorageError(f"{where} holds no copy of a sweep; give STORAGE/NAME as `storage` of its file has it")
    return str(max(journals))
