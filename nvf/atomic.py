"""Files and folders that appear whole or not at all, whoever is killed, and are on the disk once they are there."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TAKEN = (errno.EEXIST, errno.ENOTEMPTY)


@contextmanager
def whole(path: Path, *, instead: bool = False) -> Iterator[Path]:
    """Yield a free path on the disk of `path`; the file or folder that is made there takes its place at the end.

    A file that was at `path` is replaced, and so is an empty folder; with `instead`, one that holds something, too.
    Where the block raises, nothing is left behind; a process that is killed leaves `.NAME-*` beside `path`.

    Raises
    ------
    FileExistsError
        Where `path` is a folder that holds something by then.
    OSError
        Where it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as temporary:
        fresh = Path(temporary) / path.name
        yield fresh
        for each in (*fresh.rglob("*"), fresh):
            _sync(each)
        if instead and path.is_dir():
            shutil.rmtree(path)
        try:
            fresh.replace(path)
        except OSError as error:
            if error.errno in TAKEN:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            raise
        _sync(path.parent)


def write(path: Path, content: bytes | str) -> None:
    """Write a file, text as UTF-8; see `whole`."""
    with whole(path) as fresh:
        fresh.write_bytes(content.encode() if isinstance(content, str) else content)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
