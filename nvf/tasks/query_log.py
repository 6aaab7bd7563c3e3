"""A query log: what was asked of a collection, and which of its documents answered.

JSONL, one query per line: `{"query": text}` or `{"vector": [...]}` or both, with `"relevant"`, a list of ids or an
object of id -> grade, and, on every line or on none, `"split"`: train, dev or test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nvf.errors import TaskError, nearest
from nvf.tasks import files
from nvf.types import FloatArray

SPLITS = ("train", "dev", "test")
KEYS = ("query", "vector", "relevant", "split")
FORM = '{"query": text or "vector": [numbers], "relevant": [ids] or {id: grade}}'


@dataclass(frozen=True, slots=True)
class Logged:
    """One query, from a line of the file: a text, a (D,) float32 vector, or both.

    `relevant` has the grade of each document, of which one at least is above 0; `split` is None where the log leaves
    that open.
    """

    line: int
    text: str | None
    vector: FloatArray | None
    relevant: Mapping[str, int]
    split: str | None


def read_log(path: Path) -> list[Logged]:
    """Return the queries of a log, in its order.

    Raises `TaskError` where a line is no such query, where only some lines name a split or a vector's width differs,
    and where the file is empty.
    """
    log = [_logged(path, line, entry) for line, entry in files.json_lines(path)]
    if not log:
        raise TaskError(f"{path} is empty: it needs one {FORM} per line")
    for query in log:
        if (query.split is None) != (log[0].split is None):
            raise TaskError(f"{path}:{query.line}: either every line names a split or none does")
    widths = {len(query.vector): query.line for query in reversed(log) if query.vector is not None}
    if len(widths) > 1:
        (width, first), (other, line) = sorted(widths.items(), key=lambda item: item[1])[:2]
        raise TaskError(f"{path}:{line}: a vector of {other} numbers, but that of line {first} has {width}")
    return log


def by_split(log: Sequence[Logged]) -> dict[str, list[int]]:
    """Return split -> places in the log; all of them are `train` where the log names no splits."""
    places: dict[str, list[int]] = {}
    for place, query in enumerate(log):
        places.setdefault(query.split or "train", []).append(place)
    return {name: places[name] for name in SPLITS if name in places}


def _logged(path: Path, line: int, entry: Mapping[str, Any]) -> Logged:
    for key in entry:
        if key not in KEYS:
            raise TaskError(f"{path}:{line}: unknown key '{key}'{nearest(key, KEYS)}")
    text, split = entry.get("query"), entry.get("split")
    if text is None and entry.get("vector") is None:
        raise TaskError(f"{path}:{line}: neither query nor vector: expected {FORM}")
    if text is not None and not (isinstance(text, str) and text.strip()):
        raise TaskError(f"{path}:{line}: query = {text!r} is no text")
    if split is not None and split not in SPLITS:
        raise TaskError(f"{path}:{line}: split = {split!r} is not one of {', '.join(SPLITS)}")
    vector = None if entry.get("vector") is None else _vector(path, line, entry["vector"])
    encodable = None if text is None else files.encodable(text.strip())
    return Logged(line, encodable, vector, _relevant(path, line, entry.get("relevant")), split)


def _vector(path: Path, line: int, value: Any) -> FloatArray:
    numbers = isinstance(value, list) and value and all(type(each) in (int, float) for each in value)
    try:
        vector = np.array(value if numbers else [], dtype=np.float32)
    except OverflowError:  # a whole number beyond what a float can be
        vector = np.array([np.inf], dtype=np.float32)
    length = float(np.linalg.norm(vector))
    if not 0 < length < np.inf:
        raise TaskError(f"{path}:{line}: vector must be a list of finite numbers that are not all 0")
    return vector


def _relevant(path: Path, line: int, value: Any) -> dict[str, int]:
    grades = dict.fromkeys(value, 1) if isinstance(value, list) and all(map(_is_id, value)) else value
    if not isinstance(grades, dict) or not all(
        type(each) is int and abs(each) <= files.LARGEST for each in grades.values()
    ):
        raise TaskError(f"{path}:{line}: relevant = {value!r}: expected a list of ids, or an object of id: whole grade")
    if not any(grade > 0 for grade in grades.values()):
        raise TaskError(f"{path}:{line}: relevant names no document above grade 0: leave the line out")
    return {str(identity): grade for identity, grade in grades.items()}


def _is_id(value: Any) -> bool:
    return type(value) in (str, int) or (type(value) is float and value.is_integer())
