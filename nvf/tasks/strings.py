"""A column of texts on disk, memory-mapped: half a million ids without one Python object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

CHUNK = 65_536
"""Texts turned into Arrow at once when a column is written."""


class Strings(Sequence[str]):
    """A sequence of texts that reads each from the file when it is asked for; see `open_strings`."""

    def __init__(self, column: Any) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Strings: ...
    def __getitem__(self, index: int | slice) -> str | Strings:
        """Return the text at `index`, or a view of a slice."""
        if isinstance(index, slice):
            return Strings(self._column[index])
        text: str = self._column[index].as_py()
        return text

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), CHUNK):
            yield from self._column.slice(start, CHUNK).to_pylist()

    def __eq__(self, other: object) -> bool:
        """Return whether `other` is a sequence of the same texts."""
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(left == right for left, right in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # equal to lists, which have no hash either


def write_strings(path: Path, texts: Sequence[str]) -> None:
    """Write `texts` as one Arrow column."""
    import pyarrow as pa

    schema = pa.schema([("text", pa.large_string())])
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for start in range(0, len(texts), CHUNK):
            part = texts[start : start + CHUNK]
            writer.write_batch(pa.record_batch([pa.array(list(part), pa.large_string())], schema=schema))


def open_strings(path: Path, verify: bool = False) -> Strings:
    """Return the column at `path`, memory-mapped; a file that is not one raises `pyarrow.ArrowInvalid`.

    With `verify`, every text is looked at: that it lies within the file, and is UTF-8.
    """
    import pyarrow as pa

    with pa.memory_map(str(path), "r") as file:
        column = pa.ipc.open_file(file).read_all().column("text")
    if column.type != pa.large_string():
        raise pa.ArrowInvalid(f"a column of {column.type} instead of texts")
    if verify:
        column.validate(full=True)
    return Strings(column)
