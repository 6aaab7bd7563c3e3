"""The journal file: one event per line, checksummed, in order; `nvf.journal.kinds` tells every event.

A line is the CRC32 of the JSON bytes in eight hex digits, a space, the JSON of the event, and a line feed.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import zlib
from contextlib import AbstractContextManager
from dataclasses import replace
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from pydantic import ValidationError

from nvf.errors import JournalError
from nvf.journal import folders, owner
from nvf.journal.kinds import FORMAT, Event, Happened, Journaled
from nvf.journal.reserve import AHEAD, NO_ROOM, ahead
from nvf.plain import adapter

FILE = folders.FILE
LOOKED_AT = 0.5
"""Seconds to wait for the lock: longer than anybody looks whether it is held."""

E = TypeVar("E", bound=Happened)


class Journal(AbstractContextManager["Journal"]):
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
    def open(cls, folder: Path, work: str = "sweep", tail: Tail | None = None) -> tuple[Journal, list[Event]]:
        """Open a journal to go on with it: lock it, cut off a torn last line, return it with its events.

        `work` is what others are told that this process does: see `Owner`. Where `tail` has read a part of it, the
        events are those behind that.
        """
        path, tail = folder / FILE, tail or Tail(folder)
        try:
            file = path.open("r+b", buffering=0)
        except FileNotFoundError:
            raise JournalError(f"no journal at {path}") from None
        _lock(file, path, work)
        events = tail.new(-1)
        file.truncate(tail.offset)
        file.seek(tail.offset)
        return cls(path, file, tail.count), events

    def clear(self) -> None:
        """Take back all events, so that another sweep can begin here; the lock stays."""
        self._file.truncate(0)
        self._file.seek(0)
        self._next = self._length = 0

    def append(self, event: E, *, sync: bool = False) -> E:
        """Write one event; with `sync`, wait until it is on the disk. Returns it with its place and time.

        Raises `JournalError` where the disk is full, and the room set aside used up: the journal ends with the event
        before, and can be gone on with.
        """
        event = replace(event, n=self._next, t=round(time.time(), 3))
        body = adapter(type(event)).dump_json(event)
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

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _lock(file: FileIO, path: Path, work: str) -> None:
    """Take the lock; `SweepFolder.running` holds it for an instant, which is waited for."""
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


def parse(raw: bytes, path: Path, first: int = 0) -> tuple[list[Event], int]:
    """Return the events in `raw`, the first of which has the number `first`, and how many bytes they take.

    `raw` are bytes of the journal from the start of a line on; a torn last line is left out. Raises `JournalError`
    where a complete line is damaged, naming file, line and byte.
    """
    events: list[Event] = []
    length = 0
    for line in raw.splitlines(keepends=True):
        number = first + len(events)
        body = _body(line, number)
        if body is None:
            if length + len(line) == len(raw) and not line.endswith(b"\n"):
                break
            raise JournalError(
                f"{path}, line {number + 1} (byte {length} of those read) is damaged; "
                "restore the file from a copy: nothing after this line can be trusted"
            )
        events.append(_event(body, path, number))
        length += len(line)
    return events, length


def _body(line: bytes, number: int) -> bytes | None:
    """Return the JSON in a line, or None where it is damaged, or not the event of this number."""
    checksum, _, body = line.rstrip(b"\n").partition(b" ")
    whole = line.endswith(b"\n") and checksum == b"%08x" % zlib.crc32(body)
    return body if whole and body.startswith(b'{"n":%d,' % number) else None


def _event(body: bytes, path: Path, number: int) -> Event:
    try:
        event: Event = adapter(Journaled).validate_json(body)
    except ValidationError as error:
        if number == 0:
            _check_format(_format(body), path)
        first = error.errors(include_url=False)[0]
        at = ".".join(map(str, first["loc"]))
        raise JournalError(
            f"{path}, line {number + 1} is not as this nvf reads it: {at + ': ' if at else ''}{first['msg']}; use the "
            "nvf that wrote it"
        ) from None
    if number == 0:
        _check_format(getattr(event, "format", FORMAT), path)
    return event


def _format(body: bytes) -> object:
    try:
        return json.loads(body).get("format", FORMAT)
    except (ValueError, RecursionError, AttributeError):
        return FORMAT


def _check_format(written: object, path: Path) -> None:
    if written != FORMAT:
        raise JournalError(f"{path} has format {written}; this nvf reads format {FORMAT}: use the nvf that wrote it")


def read(folder: Path) -> list[Event]:
    """Return the events of the sweep in `folder`, without locking it; raises `JournalError`."""
    return Tail(folder).new(-1)


class Tail:
    """Reads a journal as it grows: every call of `new` returns the events written since the last.

    Attributes
    ----------
    path
        The journal.
    offset, count
        How many bytes, and how many events, were read.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.offset = self.count = 0
        self._file: int | None = None

    def new(self, limit: int = 1 << 22) -> list[Event]:
        """Return the complete events among the next `limit` bytes, or among all where it is below 0.

        Raises
        ------
        JournalError
            Where there is no journal, a line of it is damaged, or it is another file than the one read before.
        """
        try:
            with self.path.open("rb") as file:
                at = os.fstat(file.fileno())
                if at.st_size < self.offset or self._file not in (None, at.st_ino):
                    raise JournalError(f"{self.path} is another file than before")
                file.seek(self.offset)
                raw = file.read(limit)
        except FileNotFoundError:
            raise JournalError(f"no journal at {self.path}") from None
        self._file = at.st_ino
        end = raw.rfind(b"\n") + 1
        if end == 0 and len(raw) == limit:
            return self.new(limit * 2)
        events, length = parse(raw[:end], self.path, self.count)
        self.offset += length
        self.count += len(events)
        return events
