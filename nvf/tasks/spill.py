"""Vectors too many to hold: rows gathered from one file go to another file, not into memory.

A large array lies in a file without a name below the cache, mapped into memory: the system writes its pages out and
drops them when memory is short, and the file goes with the last array that shows it.
"""

from __future__ import annotations

import math
import mmap
import tempfile

import numpy as np

from nvf import paths
from nvf.types import FloatArray, IntArray

IN_MEMORY = 2**28
"""Bytes up to which an array is simply held (256 MB)."""
ROWS_AT_ONCE = 65_536


def empty(shape: tuple[int, ...]) -> FloatArray:
    """Return an uninitialised float32 array: in memory where it is small, in a file of its own otherwise."""
    if 4 * math.prod(shape) <= IN_MEMORY:
        return np.empty(shape, dtype=np.float32)
    folder = paths.cache() / "spill"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)


def take(vectors: FloatArray, rows: IntArray) -> FloatArray:
    """Return `vectors[rows]`, float32, as a view where the rows follow one another."""
    if len(rows) and (np.diff(rows) == 1).all():
        return vectors[rows[0] : rows[0] + len(rows)]
    taken = empty((len(rows), *vectors.shape[1:]))
    mapped: object = taken.base
    for start in range(0, len(rows), ROWS_AT_ONCE):
        taken[start : start + ROWS_AT_ONCE] = vectors[rows[start : start + ROWS_AT_ONCE]]
        if isinstance(mapped, mmap.mmap):
            # The file has the pages, so the process need not show them: both sides resident would be two copies.
            mapped.madvise(mmap.MADV_DONTNEED)
    return taken
