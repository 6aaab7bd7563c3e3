"""Room set aside for the journal, which goes on for a while after everything else finds the disk full.

The blocks are the journal's own, behind its end: a file beside it that is deleted when room is needed would make room
for whoever comes first.
"""

from __future__ import annotations

import ctypes
import errno
from io import FileIO

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
AHEAD = 1 << 20
"""Bytes, for about 1,000 records."""
KEEP_SIZE = 1
"""FALLOC_FL_KEEP_SIZE of linux/falloc.h: the file stays as long as it is. Python's posix_fallocate has no such flag."""


def ahead(file: FileIO, end: int) -> int:
    """Set `AHEAD` bytes aside behind `end`, and return where they end; `end` where that cannot be had here."""
    fallocate = getattr(ctypes.CDLL(None), "fallocate", None)
    if fallocate is None:
        return end
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return end if fallocate(file.fileno(), KEEP_SIZE, end, AHEAD) else end + AHEAD
