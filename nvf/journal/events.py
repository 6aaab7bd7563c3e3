r"""The journal file: one event per line, checksummed, in order.

A line is `CRC32 JSON\n`, the checksum in eight hex digits over the JSON bytes. Every event has `n` (its place, from 0),
`t` (seconds since 1970) and `kind`. Whatever depends on the clock or the machine stands in `t` and `clock`, so that two
journals of the same sweep are equal but for those two keys (`same`).

| kind | further keys |
| --- | --- |
| sweep_started | format, sweep, nvf, spec, spec_text, set [--set of the command], code {file: digest}, task {name, fingerprint, snapshot, encoder, documents, queries, leaks, notes, source}, measures, objectives, views, seed, git, versions, cold_by [the rule of cold figures: `nvf.journal.cold`], clock |
| floors | split, floors {name: figures}, ceilings {name: figures} |
| trial_started | trial, system, params (all), chosen (searched), distributions {name: text}, seed, epochs |
| record | trial, record {epoch, losses, figures, diagnoses, held_out, statistics, clock}, checkpoint {folder (from the sweep's), digest} or null, decision (continue, prune, stop, complete, pause), attrs, clock {host, pid, node, platform, instructions} |
| fault | trial, fault (checkpoint_damaged, disk_full, out_of_memory, worker_lost), epoch (the last journaled one), detail, params {what changed of the trial's} |
| trial_ended | trial, outcome (complete, pruned, stopped, infeasible, failed), error or null, attrs |
| trial_paused | trial: it was interrupted, and `nvf resume` goes on with it |
| trial_resumed | trial, epoch: the record after which it goes on |
| checkpoints_deleted | trial: it ended, and is not among those whose checkpoints stay |
| sweep_paused | reason (interrupt, time, failing, room, error), error or null, clock |
| sweep_resumed | spec (the budget may have grown), accepted [what had changed], ground {what it stands on now} or null, clock |
| sweep_ended | reason (trials), clock |
| confirmation_started | confirmation (from 1), finalists [trial], seeds, cold_by, model, clock |
| replicate | confirmation, part {trial, place, withheld, seed, cold_seed}, record (its best on dev) or null, checkpoint or null, error or null |
| test_opened | confirmation, times (of this sweep, this one among them), finalists, clock: written before anything of test is judged |
| confirmed | confirmation, result: what `nvf confirm --json` prints |
| test_run | trial, model, version, task {name, fingerprint}, clock: its answers to test of this task are written to a run file; where it is the sweep's own, a confirmation has judged it |
| promoted | trial, model, version, alias, forced (the reason, where a gate was overruled) |
"""  # noqa: E501

from __future__ import annotations

import fcntl
import json
import math
import os
import time
import zlib
from collections.abc import Iterator, Mapping
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nvf.errors import JournalError
from nvf.journal import owner
from nvf.journal.reserve import AHEAD, NO_ROOM, ahead

FORMAT = 1
FILE = "journal.jsonl"
LOOKED_AT = 0.5
"""Seconds to wait for the lock: longer than anybody looks whether it is held."""

Event = dict[str, Any]


class Journal:
    """The one writer of a sweep's journal; holds a lock on the file until it is closed or its process dies."""

    def __init__(self, path: Path, file: FileIO, next_number: int) -> None:
        self.path = path
        self._file = file
        self._next = next_number
        self._length = file.tell()
        self._reserved = ahead(file, self._length)

    @classmethod
    def create(cls, folder: Path, work: str = "sweep") -> Journal:
        """Start the journal of a new sweep in `folder`, or raise `JournalError` where there is one; see `Owner`."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / FILE
        try:
            file = path.open("xb", buffering=0)
        except FileExistsError:
            raise JournalError(f"{path} exists: a sweep of this name was started before") from None
        _lock(file, path, work)
        return cls(path, file, 0)

    @classmethod
    def open(cls, folder: Path, work: str = "sweep") -> tuple[Journal, list[Event]]:
        """Open a journal to go on with it: lock it, cut off a torn last line, return it with its events.

        `work` is what others are told that this process does: see `Owner`.
        """
        path = folder / FILE
        try:
            file = path.open("r+b", buffering=0)
        except FileNotFoundError:
            raise JournalError(f"no journal at {path}") from None
        _lock(file, path, work)
        events, length = parse(file.read(), path)
        _known(events, path)
        file.truncate(length)
        file.seek(length)
        return cls(path, file, len(events)), events

    def clear(self) -> None:
        """Take back all events, so that another sweep can begin here; the lock stays."""
        self._file.truncate(0)
        self._file.seek(0)
        self._next = self._length = 0

    def append(self, kind: str, *, sync: bool = False, **fields: Any) -> Event:
        """Write one event; with `sync`, wait until it is on the disk. Returns the event.

        Raises
        ------
        JournalError
            Where the disk is full, and the room set aside used up. The journal ends with the event before, and can be
            gone on with.
        """
        event: Event = {"n": self._next, "t": round(time.time(), 3), "kind": kind, **plain(fields)}
        body = json.dumps(event, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        self._put(b"%08x %s\n" % (zlib.crc32(body), body))
        if sync:
            os.fsync(self._file.fileno())
            if self._length > self._reserved - AHEAD // 2:
                self._reserved = max(self._reserved, ahead(self._file, self._length))
        self._next += 1
        return event

    def _put(self, line: bytes) -> None:
        """Write a line as a whole or not at all."""
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._file.truncate(self._length)
            self._file.seek(self._length)
            if error.errno not in NO_ROOM:
                raise
            raise JournalError(
                f"{self.path} cannot be written: {error.strerror}. What it holds is whole: make room, then go on with "
                f"nvf resume {self.path.parent.name}"
            ) from None
        self._length += len(line)

    def close(self) -> None:
        """Bring everything to the disk and let go of the lock."""
        if not self._file.closed:
            self._file.truncate(self._length)  # gives the room set aside back
            os.fsync(self._file.fileno())
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _lock(file: FileIO, path: Path, work: str) -> None:
    """Take the lock; `folders.running` holds it for an instant, which is waited for."""
    patience = time.monotonic() + LOOKED_AT
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() < patience:
                time.sleep(0.01)
                continue
            file.close()
            who = owner.of(path.parent) or "another process"
            raise JournalError(f"{path} is being written by {who}: this sweep is running already") from None
    owner.sign(path.parent, work)


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: mappings, lists, texts, numbers; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def parse(raw: bytes, path: Path, first: int = 0) -> tuple[list[Event], int]:
    """Return the events in `raw` and how many bytes they take; a torn last line is left out.

    Parameters
    ----------
    raw
        Bytes of the journal from the start of a line on.
    path
        The file, for messages.
    first
        The number that the first event must have.

    Raises
    ------
    JournalError
        Where a complete line is damaged, naming file, line and byte.
    """
    events: list[Event] = []
    length = 0
    for line in raw.splitlines(keepends=True):
        event = _event(line)
        if event is None or event.get("n") != first + len(events):
            if length + len(line) == len(raw) and not line.endswith(b"\n"):
                break
            raise JournalError(
                f"{path}, line {first + len(events) + 1} (byte {length} of those read) is damaged; "
                "restore the file from a copy: nothing after this line can be trusted"
            )
        events.append(event)
        length += len(line)
    return events, length


def _event(line: bytes) -> Event | None:
    checksum, _, body = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(body):
        return None
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and "kind" in event else None


def read(folder: Path) -> list[Event]:
    """Return the events of the sweep in `folder`, without locking it; raises `JournalError`."""
    path = folder / FILE
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise JournalError(f"no journal at {path}") from None
    events, _ = parse(raw, path)
    _known(events, path)
    return events


def _known(events: list[Event], path: Path) -> None:
    written = events[0].get("format", FORMAT) if events else FORMAT
    if written != FORMAT:
        raise JournalError(f"{path} has format {written}; this nvf reads format {FORMAT}: use the nvf that wrote it")


class Tail:
    """Reads a journal as it grows: every call of `new` returns the events written since the last."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._offset = 0
        self._count = 0

    def new(self, limit: int = 1 << 22) -> list[Event]:
        """Return the complete events among the next `limit` bytes."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            raw = file.read(limit)
        end = raw.rfind(b"\n") + 1
        if end == 0 and len(raw) == limit:
            return self.new(limit * 2)
        events, length = parse(raw[:end], self.path, self._count)
        self._offset += length
        self._count += len(events)
        return events


def same(events: list[Event]) -> Iterator[Any]:
    """Yield the events without what depends on the clock or the machine: what two runs of one sweep have in common."""
    for event in events:
        yield _without_clock(event)


def _without_clock(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_clock(inner) for name, inner in value.items() if name not in ("t", "clock")}
    if isinstance(value, list):
        return [_without_clock(inner) for inner in value]
    return value
