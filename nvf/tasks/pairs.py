"""A table of queries and the texts that answer them: an FAQ, a log, a spreadsheet's export.

Equal queries are one, and so are equal texts; each text is a document of the corpus.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from nvf.errors import TaskError, nearest
from nvf.params import REQUIRED, nested, param
from nvf.paths import absolute
from nvf.tasks import files, own, tables
from nvf.tasks.encoding import Encoding, encoder_option, length_option
from nvf.tasks.files import Judgement
from nvf.tasks.identity import Known
from nvf.tasks.judged import JudgedSource, Raw
from nvf.tasks.outline import SPLITS as ORDER
from nvf.tasks.outline import settle
from nvf.tasks.qrels import whole
from nvf.tasks.splits import Plan, Shares

USUAL: dict[str, tuple[str, ...]] = {
    "query": ("query", "question", "anchor", "q"),
    "text": ("text", "document", "passage", "answer", "positive"),
    "query_id": ("query_id", "query-id", "qid"),
    "text_id": ("text_id", "corpus-id", "doc_id", "docid", "document_id"),
    "grade": ("grade", "relevance"),
    "split": ("split",),
}
"""The names that a column may have where the sweep file gives none."""
SPLITS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
}
SHARE = 0.1
"""What becomes dev, and test, where the table has no splits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Which column holds what."""

    query: str | None = param(None, doc=f"column of the queries; by default the first of {', '.join(USUAL['query'])}")
    text: str | None = param(None, doc=f"column of the answers; by default the first of {', '.join(USUAL['text'])}")
    query_id: str | None = param(None, doc="column of the queries' ids; by default query_id, if there is one")
    text_id: str | None = param(None, doc="column of the documents' ids; by default text_id, if there is one")
    grade: str | None = param(None, doc="column of whole grades; by default grade, if there is one, else 1")
    split: str | None = param(None, doc="column that says train, dev or test; by default split, if there is one")


@dataclass(frozen=True, kw_only=True, slots=True)
class PairsParams:
    """Where the table is, and how it becomes vectors and splits."""

    path: str = param(REQUIRED, doc="table with a query and a text per row: .csv, .tsv, .jsonl, .json or .parquet")
    columns: Columns = nested(Columns)
    encoder: str = encoder_option()
    max_length: int = length_option()
    split: Shares = nested(Shares)
    own_document: str | None = own.option()


@dataclass(slots=True)
class _Side:
    """Queries or documents: texts by id, in the order of their first row."""

    letter: str
    texts: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    others: int = 0

    def add(self, where: str, text: str, name: str | None) -> str:
        """Return the id of a text; the first one that it was given, or one of its own."""
        known = self.names.get(text)
        if known is not None:
            self.others += name not in (None, known)
            return known
        name = name or f"{self.letter}{len(self.texts):07d}"
        if name in self.texts:
            raise TaskError(f"{where}: the id '{files.short(name)}' was given to another text before")
        self.names[text] = name
        self.texts[name] = text
        return name


class Pairs(JudgedSource[PairsParams]):
    """A table of queries and answers."""

    name = "pairs"
    summary = "a CSV, TSV, JSONL or Parquet table of queries and the texts that answer them"
    Params = PairsParams
    files = ("path",)

    def read(self, params: PairsParams) -> Raw:
        """Return what the table holds; see `JudgedSource.read`."""
        path = files.existing(absolute(params.path), "a table with a query and a text per row")
        chosen, notes = _columns(path, params.columns)
        queries, documents = _Side("q"), _Side("d")
        given, said = _rows(path, chosen, queries, documents)
        known = Known(list(documents.texts), path.name)
        where = {name: f"{path}, {name}" for name in given}
        plan = Plan(dev=SHARE, test=SHARE, seed=params.split.seed)
        judged = settle(given, where, None, known, params.split, plan)
        judged.notes[:0] = [*notes, *said]
        return Raw(
            name=f"pairs/{path.name.partition('.')[0]}",
            documents=known,
            queries=list(queries.texts),
            judged=judged,
            texts=(list(documents.texts.values()), list(queries.texts.values())),
            vectors=Encoding(params.encoder, params.max_length),
        )

    def inputs(self, params: PairsParams) -> Iterable[Path]:
        """Return the table and the files of the encoder."""
        yield absolute(params.path)
        yield from Encoding(params.encoder, params.max_length).files()


def _rows(
    path: Path, chosen: dict[str, str], queries: _Side, documents: _Side
) -> tuple[dict[str, list[Judgement]], list[str]]:
    """Take the rows into both sides; return split -> its judgements, and what was lived with."""
    judged: dict[str, dict[tuple[str, str], int]] = {}
    empty = contradicted = 0
    for line, row in tables.rows(path, list(chosen.values())):
        where = f"{path}:{line}"
        values = {what: row.get(column) for what, column in chosen.items()}
        query, text = (_text(where, chosen[what], values[what]) for what in ("query", "text"))
        if not query or not text:
            empty += 1
            continue
        pair = (
            queries.add(where, query, _id(where, chosen.get("query_id"), values.get("query_id"))),
            documents.add(where, text, _id(where, chosen.get("text_id"), values.get("text_id"))),
        )
        split = judged.setdefault(_split(where, values["split"]) if "split" in chosen else "train", {})
        grade = _grade(where, values["grade"]) if "grade" in chosen else 1
        contradicted += split.get(pair, grade) != grade
        split[pair] = max(grade, split.get(pair, grade))
    if not judged:
        raise TaskError(f"{path} has no row with both a query and a text")
    counts = {
        "rows without a query or a text, left out": empty,
        "pairs with two grades, of which the higher counts": contradicted,
        "rows that give an equal query another id (the first counts)": queries.others,
        "rows that give an equal text another id (the first counts)": documents.others,
    }
    given = {name: [(*pair, grade) for pair, grade in judged[name].items()] for name in ORDER if name in judged}
    return given, [f"{what}: {count:,}" for what, count in counts.items() if count]


def _columns(path: Path, given: Columns) -> tuple[dict[str, str], list[str]]:
    """Return which column holds what, and a sentence on those that were not named."""
    there = tables.columns(path)
    lower = {name.lower(): name for name in reversed(there)} | {name: name for name in there}
    chosen: dict[str, str] = {}
    for each in fields(given):
        what, named = each.name, getattr(given, each.name)
        found = named if named is not None else next((lower[name] for name in USUAL[what] if name in lower), None)
        if found is not None and found in there:
            chosen[what] = found
        elif found is not None or what in ("query", "text"):
            missing = f"no column '{found}'{nearest(found, there)}" if found else f"no column named {_any(USUAL[what])}"
            raise TaskError(
                f"{path} has {missing}; its columns are {files.some(there)}: name one as "
                f"columns: {{{what}: NAME}}; the first line must hold the names"
            )
    twice = next((what for what, name in chosen.items() if list(chosen.values()).count(name) > 1), None)
    if twice is not None:
        raise TaskError(f"{path}: the column '{chosen[twice]}' is named for two things; columns.{twice} is one of them")
    unnamed = {what: name for what, name in chosen.items() if getattr(given, what) is None and what != name}
    left = [name for name in there if name not in chosen.values()]
    notes = [f"columns: {', '.join(f'{what} is {name}' for what, name in unnamed.items())}"] if unnamed else []
    return chosen, [*notes, *([f"columns that are not read: {files.some(left)}"] if left else [])]


def _any(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _text(where: str, column: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return (
            "" if value != value else files.encodable(str(value)).strip()
        )  # a data frame's NaN is not equal to itself
    raise TaskError(f"{where}: {column} = {files.short(repr(value))} is no text")


def _id(where: str, column: str | None, value: Any) -> str | None:
    if column is None or value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise TaskError(f"{where}: {column} = {files.short(repr(value))} is no id: a text or a whole number is")
    return files.encodable(str(value)).strip() or None


def _grade(where: str, value: Any) -> int:
    grade = whole(str(value).strip()) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    if grade is None or abs(grade) > files.LARGEST:
        raise TaskError(
            f"{where}: the grade {files.short(repr(value))} is no whole number, such as 1, or 0 for not relevant"
        )
    return grade


def _split(where: str, value: Any) -> str:
    split = SPLITS.get(str(value).strip().lower())
    if split is None:
        raise TaskError(f"{where}: the split {files.short(repr(value))} is none of train, dev and test")
    return split
