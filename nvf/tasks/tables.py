"""Rows of a table of texts: CSV, TSV, JSON lines or Parquet, read one after the other."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from nvf.errors import TaskError
from nvf.tasks import files

Row = Mapping[str, Any]
CSV, JSONL, PARQUET = (".csv", ".tsv", ".tab"), (".jsonl", ".ndjson"), (".parquet",)
KINDS = (*CSV, *JSONL, ".json", *PARQUET)
SEPARATORS = ",;\t|"
AT_ONCE = 8192
"""Rows of a Parquet file that are read at once."""


def suffix(path: Path) -> str:
    """Return the suffix that says what a file is; `.gz` behind it is passed over.

    Raises `TaskError` where it is none of those that are read.
    """
    names = [each.lower() for each in path.suffixes]
    kind = names[-2] if len(names) > 1 and names[-1] == ".gz" else names[-1] if names else ""
    if kind not in KINDS or (kind in PARQUET and path.suffix.lower() == ".gz"):
        raise TaskError(f"{path}: the name must end in {', '.join(KINDS)} (.gz behind it where it is compressed)")
    return kind


def columns(path: Path) -> list[str]:
    """Return the names of the columns, without reading the rows; of JSON those of the first object."""
    if suffix(path) in CSV:
        with _text(path) as file:
            return _head(path, csv.reader(file, **_dialect(path)))
    if suffix(path) in PARQUET:
        return list(_parquet(path).schema_arrow.names)
    return next((list(row) for _, row in rows(path, ())), [])


def rows(path: Path, wanted: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """Yield (line, or row of a Parquet file from 1; its values by column) for the `wanted` columns.

    Blank lines are passed over. Raises `TaskError` where the file is damaged, or a line is not like the others; names
    file and line.
    """
    kind = suffix(path)
    if kind in CSV:
        return _csv_rows(path)
    if kind in PARQUET:
        return _parquet_rows(path, wanted)
    if kind == ".json" and _is_list(path):
        return _listed(path)
    return files.json_lines(path)


@contextmanager
def _text(path: Path) -> Iterator[IO[str]]:
    """Open a text file; what is no UTF-8 in it becomes a `TaskError`."""
    try:
        opened: Any = gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")
        with opened as file:
            yield io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    except UnicodeDecodeError as error:
        raise TaskError(f"{path}: not UTF-8 text ({error.reason}): save it as UTF-8 and try again") from error
    except (OSError, EOFError) as error:
        raise TaskError(f"{path} cannot be read: {error}") from error


def _dialect(path: Path) -> dict[str, Any]:
    """Return how a file's fields are separated: a TSV's by tabs, a CSV's by what is most frequent in its first line."""
    csv.field_size_limit(files.LONGEST)
    if suffix(path) != ".csv":
        return {"delimiter": "\t", "strict": True}
    with _text(path) as file:
        first = next((line for line in file if line.strip()), "")
    return {"delimiter": max(SEPARATORS, key=first.count), "strict": True}


def _head(path: Path, lines: Any) -> list[str]:
    names = [name.strip() for name in next((fields for fields in lines if any(map(str.strip, fields))), [])]
    if not names:
        raise TaskError(f"{path} is empty: its first line must name the columns")
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise TaskError(f"{path}: the column '{files.short(twice)}' stands twice in the first line")
    return names


def _csv_rows(path: Path) -> Iterator[tuple[int, Row]]:
    with _text(path) as file:
        lines = csv.reader(file, **_dialect(path))
        try:
            names = _head(path, lines)
            start = lines.line_num + 1
            for fields in lines:
                if any(map(str.strip, fields)):
                    if len(fields) != len(names):
                        raise TaskError(
                            f"{path}:{start}: {len(fields)} fields, but {len(names)} columns: a text that holds the "
                            "separator or a line end needs quotes"
                        )
                    yield start, dict(zip(names, fields, strict=True))
                start = lines.line_num + 1
        except csv.Error as error:
            raise TaskError(
                f"{path}:{lines.line_num}: {error}: a field that begins with a quote ends with one, and quotes within "
                "it are doubled"
            ) from error


def _is_list(path: Path) -> bool:
    with _text(path) as file:
        return file.read(100).lstrip().startswith("[")


def _listed(path: Path) -> Iterator[tuple[int, Row]]:
    with _text(path) as file:
        try:
            entries = json.load(file)
        except (ValueError, RecursionError) as error:
            raise TaskError(f"{path}: not JSON: {error}") from error
    for place, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            raise TaskError(f"{path}: entry {place} is no object")
        yield place, entry


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise TaskError(f"{path} is not a Parquet file: {error}") from error


def _parquet_rows(path: Path, wanted: Sequence[str]) -> Iterator[tuple[int, Row]]:
    import pyarrow as pa

    at = 0
    try:
        for batch in _parquet(path).iter_batches(AT_ONCE, columns=list(wanted)):
            for row in batch.to_pylist():
                at += 1
                yield at, row
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TaskError(f"{path}: cannot be read after row {at}: {error}") from error
