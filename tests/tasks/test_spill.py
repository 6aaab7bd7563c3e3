from __future__ import annotations

import weakref
from pathlib import Path

import numpy as np
import pytest

from nvf.tasks import spill

VECTORS = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)


def files(mlruns: Path) -> list[Path]:
    return [path for path in mlruns.rglob("*") if path.is_file()]


@pytest.mark.parametrize("bound", [2**28, 8])
@pytest.mark.parametrize("rows", [[4, 9, 4, 0], [7, 8, 9], [49], []], ids=["any", "in a row", "one", "none"])
def test_take_equals_indexing(rows: list[int], bound: int, mlruns: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "IN_MEMORY", bound)
    monkeypatch.setattr(spill, "ROWS_AT_ONCE", 2)
    taken = spill.take(VECTORS, np.array(rows, dtype=np.int64))
    assert taken.dtype == np.float32
    np.testing.assert_array_equal(taken, VECTORS[rows])


def test_rows_in_a_row_are_a_view(mlruns: Path) -> None:
    assert np.shares_memory(spill.take(VECTORS, np.arange(3, 9)), VECTORS)
    assert not np.shares_memory(spill.take(VECTORS, np.array([3, 5])), VECTORS)


def test_large_arrays_lie_in_a_file_that_goes_with_them(mlruns: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not isinstance(spill.empty((4, 5)), np.memmap)
    monkeypatch.setattr(spill, "IN_MEMORY", 79)
    array = spill.empty((4, 5))
    assert isinstance(array, np.memmap)
    assert (mlruns / "cache" / "spill").is_dir() and files(mlruns) == []
    array[:] = 2
    assert array[1:].sum() == 30
    gone = weakref.ref(array)
    del array
    assert gone() is None
