"""Reading the user's files: every error names the file, the line or row, and the way out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from nvf.errors import TaskError
from nvf.tasks import spill
from nvf.types import FloatArray

Judgement = tuple[str, str, int]
"""Query id, document id, grade."""

HALF_PRECISION = 2e-3
"""How far from 1 the length of a unit vector can be after float16 with a few hundred dimensions."""
ROWS_AT_ONCE = 65_536
LONGEST = 1 << 26
"""Bytes of one line; a file without line ends is no JSONL."""
LARGEST = 2**31 - 1
"""What a grade may be, above or below 0."""
SHOWN = 100
"""Characters of the user's text that a message repeats."""


def existing(path: Path, what: str) -> Path:
    """Return `path`, or raise `TaskError` saying `what` is missing."""
    if not path.is_file():
        raise TaskError(f"{path} {'is not a file' if path.exists() else 'does not exist'}: {what}")
    return path


def read_texts(path: Path) -> dict[str, str]:
    """Return id -> text of a `{"_id", "title", "text"}` file, in its order; text = title + " " + text, stripped."""
    texts: dict[str, str] = {}
    for line, entry in json_lines(path):
        identity, text = entry.get("_id"), entry.get("text")
        title = entry.get("title") or ""
        if type(identity) not in (str, int) or not isinstance(text, str) or not isinstance(title, str):
            raise TaskError(f'{path}:{line}: expected {{"_id": ..., "title": ..., "text": ...}} with texts as values')
        name = encodable(str(identity))
        if not name.strip():
            raise TaskError(f"{path}:{line}: the id is empty: nothing could be judged by it")
        if name in texts:
            raise TaskError(f"{path}:{line}: the id '{short(name)}' was given before; ids must be different")
        texts[name] = encodable(f"{title} {text}".strip())
    if not texts:
        raise TaskError(f'{path} is empty: it needs one {{"_id": ..., "text": ...}} per line')
    return texts


def encodable(text: str) -> str:
    """Return `text` with `?` for lone surrogates, which JSON can spell but neither tokenizer nor Arrow takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line, object) of a JSONL file, one at a time; blank lines are passed over.

    Raises `TaskError` where a line is not a JSON object.
    """
    with _opened(path) as file:
        for line, content in enumerate(iter(lambda: file.readline(LONGEST + 1), b""), start=1):
            if len(content) > LONGEST:
                raise TaskError(f"{path}:{line}: longer than {LONGEST:,} bytes: give each object a line of its own")
            if not content.strip():
                continue
            try:
                entry = json.loads(content.decode("utf-8-sig" if line == 1 else "utf-8"))
            except UnicodeDecodeError as error:
                raise TaskError(f"{path}:{line}: not UTF-8 text: {error.reason}") from error
            except (ValueError, RecursionError) as error:
                raise TaskError(f"{path}:{line}: not JSON: {error}") from error
            if not isinstance(entry, dict):
                raise TaskError(f"{path}:{line}: expected a JSON object, found {type(entry).__name__}")
            yield line, entry


def read_ids(path: Path) -> list[str]:
    """Return the ids of a JSON list, or of a text file with one per line, in the order of the vectors' rows."""
    content = read_text(path)
    if path.suffix == ".json":
        try:
            ids = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise TaskError(f"{path}: not JSON: {error}") from error
        if not isinstance(ids, list) or not all(isinstance(identity, str | int) for identity in ids):
            raise TaskError(f"{path}: expected a list of ids")
        ids = [str(identity) for identity in ids]
    else:
        ids = [line.strip() for line in content.splitlines() if line.strip()]
    seen: dict[str, int] = {}
    for row, identity in enumerate(ids):
        if seen.setdefault(identity, row) != row:
            raise TaskError(
                f"{path}: the id '{identity}' stands at rows {seen[identity]} and {row}; ids must be different"
            )
    return ids


def read_vectors(path: Path, ids: Sequence[str], ids_path: Path) -> FloatArray:
    """Return the (len(ids), D) float32 vectors of a .npy file, memory-mapped where they are float32 already.

    Unit vectors that lost their length to half precision get it back. Raises `TaskError` where it is no such file,
    where the counts disagree, or where a vector is zero or not finite.
    """
    try:
        vectors = np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise TaskError(f"{path} is not a .npy file of numbers: {error}") from error
    if not isinstance(vectors, np.ndarray):
        raise TaskError(f"{path} is an archive (.npz): save the one array as .npy")
    if vectors.ndim != 2 or vectors.dtype.kind != "f" or vectors.shape[1] == 0:
        raise TaskError(f"{path}: expected rows of floats, found shape {vectors.shape} of {vectors.dtype}")
    if len(vectors) != len(ids):
        raise TaskError(f"{path} has {len(vectors):,} rows, but {ids_path} has {len(ids):,} ids")
    lengths = _checked_lengths(path, vectors)
    if vectors.dtype == np.float32:
        return vectors
    halved = vectors.dtype == np.float16 and len(vectors) > 0 and np.abs(lengths - 1).max() < HALF_PRECISION
    single = spill.empty(vectors.shape)
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        single[part] = vectors[part]
        if halved:
            single[part] /= lengths[part, None]
    return single


def _checked_lengths(path: Path, vectors: FloatArray) -> FloatArray:
    lengths = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        part = np.asarray(vectors[start : start + ROWS_AT_ONCE], dtype=np.float32)
        found = np.linalg.norm(part, axis=1)
        lengths[start : start + len(part)] = found
        if not np.isfinite(found).all():
            row = start + int(np.flatnonzero(~np.isfinite(found))[0])
            raise TaskError(f"{path}: row {row} holds NaN or infinity (counted from 0); remove or replace that vector")
        if not found.all():
            row = start + int(np.flatnonzero(found == 0)[0])
            raise TaskError(f"{path}: row {row} is all zeros (counted from 0), and has no cosine; remove or replace it")
    return lengths


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise TaskError(f"{path} cannot be read: {error.strerror}") from error


def read_text(path: Path) -> str:
    """Return the text of a file, with `\\n` behind every line."""
    with _opened(path) as file:
        content = file.read()
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TaskError(f"{path}:{line}: not UTF-8 text: {error.reason}") from error


def some(ids: Sequence[str]) -> str:
    """Return the first five ids in one line, for a message."""
    return ", ".join(map(short, ids[:5])) + (", ..." if len(ids) > 5 else "")


def short(text: str) -> str:
    """Return `text` for a message, cut where it is long."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
