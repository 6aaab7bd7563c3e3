"""Files of judgements: BEIR's three columns, TREC's four, between tabs, blanks or commas."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nvf.errors import TaskError
from nvf.tasks import files
from nvf.tasks.files import LARGEST, Judgement

FORM = "query-id, corpus-id and a whole number (or TREC's query 0 document grade)"
SEPARATORS: dict[str, Callable[[str], list[str]]] = {
    "tabs": lambda line: line.split("\t"),
    "commas": lambda line: next(csv.reader([line]), []),
    "blanks": str.split,
}


@dataclass(frozen=True, slots=True)
class _Form:
    """How the lines of one file are written: what stands between the fields, and how many there are (3 or 4)."""

    separator: str
    columns: int

    def fields(self, line: str) -> list[str]:
        """Return query, document and grade; a line of another form gives an empty list."""
        found = SEPARATORS[self.separator](line)
        if len(found) != self.columns:
            return []
        return [found[0].strip(), found[-2].strip(), unquoted(found[-1].strip())]


def read_qrels(path: Path) -> list[Judgement]:
    """Return the judgements of a file of lines `query-id corpus-id grade` or `query-id 0 corpus-id grade`.

    The fields stand between tabs, commas or blanks, alike on every line. A header is a first line whose last field is
    no number. Raises `TaskError` where a line has another form, where a pair has two grades, and where nothing is
    judged.
    """
    judged: dict[tuple[str, str], int] = {}
    lines = [(at, line) for at, line in enumerate(files.read_text(path).split("\n"), start=1) if line.strip()]
    form = _form(path, lines)
    for place, (at, line) in enumerate(lines):
        query, document, number = form.fields(line) or ("", "", "")
        grade = whole(number)
        if query and document and grade is not None:
            if abs(grade) > LARGEST:
                raise TaskError(f"{path}:{at}: the grade {grade} is beyond ±{LARGEST}")
            if judged.setdefault((query, document), grade) != grade:
                raise TaskError(f"{path}:{at}: '{query}' and '{document}' were judged before, with another grade")
        elif place or not _is_header(line):
            raise TaskError(f"{path}:{at}: expected {FORM} between {form.separator}: {files.short(line)!r}")
    if not judged:
        raise TaskError(f"{path} holds no judgements: remove it, or give at least one line")
    return [(query, document, grade) for (query, document), grade in judged.items()]


def _form(path: Path, lines: Sequence[tuple[int, str]]) -> _Form:
    """Return the form of the first line that is a judgement; only the first may be a header."""
    for _, line in lines[:2]:
        for separator, split in SEPARATORS.items():
            fields = split(line)
            if len(fields) in (3, 4) and whole(unquoted(fields[-1].strip())) is not None:
                return _Form(separator, len(fields))
    if len(lines) > 1 or lines and not _is_header(lines[0][1]):
        at, line = next((each for each in lines[:2] if not _is_header(each[1])), lines[-1])
        raise TaskError(f"{path}:{at}: expected {FORM} between tabs: {files.short(line)!r}")
    return _Form("tabs", 3)


def _is_header(line: str) -> bool:
    """Return whether a line has as many fields as a judgement, the last of which is no number."""
    widths = {separator: split(line) for separator, split in SEPARATORS.items()}
    return any(len(fields) in (3, 4) and not is_number(unquoted(fields[-1].strip())) for fields in widths.values())


def unquoted(text: str) -> str:
    """Return `text` without the quotes that a CSV writer put around it.

    >>> unquoted('"1"'), unquoted('6"')
    ('1', '6"')
    """
    return text[1:-1].replace('""', '"') if len(text) > 1 and text[0] == text[-1] == '"' else text


@functools.lru_cache(maxsize=4096)  # grades are few
def whole(text: str) -> int | None:
    """Return the whole number that `text` is, written `2` or, as data frames do, `2.0`; else None.

    >>> whole("-1"), whole("2.0"), whole("0.5"), whole("x")
    (-1, 2, None, None)
    """
    digits, dot, rest = text.partition(".")
    bare = digits.removeprefix("-").removeprefix("+")
    if not (bare.isdecimal() and len(bare) < 20) or (dot and rest.strip("0")):
        return None
    return int(digits)


def is_number(text: str) -> bool:
    """Return whether `text` is a number at all."""
    try:
        float(text)
    except ValueError:
        return False
    return True
