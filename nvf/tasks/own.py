"""A query's own document: one of the corpus that bears the query's id.

Where queries were taken from the corpus (ArguAna, Quora) that document is the query itself: it is no answer, and is
dropped from the query's ranking. Where both sides are merely numbered from 0 it is a document like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nvf.errors import TaskError
from nvf.params import param
from nvf.tasks.base import Corpus, Judged
from nvf.tasks.identity import owned
from nvf.tasks.leakage import normalised, unit_rows
from nvf.types import Queries

EQUAL = 1 - 1e-5
"""The cosine from which on two vectors are one: more than float16 and float32 leave between two copies."""


def option() -> Any:
    """Return the option `own_document` of a source."""
    return param(
        None,
        choices=("drop", "keep"),
        doc="a document with a query's own id: drop it from that query's ranking and judgements, or keep it; by "
        "default it is dropped where it is the query itself and no judged answer",
    )


def settle(
    name: str, splits: Mapping[str, Judged], corpus: Corpus, choice: str | None
) -> tuple[dict[str, Judged], dict[str, int], list[str]]:
    """Return splits, the row of each document that is dropped by the id of its query, and what the user should know.

    A document that is dropped from a ranking is no judged answer either: with `drop` its judgement goes, and so does a
    query that has no other; by default a judged answer stays in both. Raises `TaskError` where `drop` leaves a split
    without queries.
    """
    if choice == "keep":
        return dict(splits), {}, []
    rows = owned((query for queries, _ in splits.values() for query in queries.ids), corpus.ids)
    if not rows:
        return dict(splits), {}, []
    if choice == "drop":
        return _dropped(name, splits, rows)
    dropped: dict[str, int] = {}
    answers: set[str] = set()
    for queries, qrels in splits.values():
        for place, query in enumerate(queries.ids):
            if query in rows and _is_itself(queries, place, corpus, rows[query]):
                documents, grades = qrels.of(place)
                judged = bool((grades[documents == rows[query]] > 0).any())
                answers |= {query} if judged else set()
                dropped |= {} if judged else {query: rows[query]}
    return dict(splits), dropped, _notes(len(rows), len(dropped), len(answers))


def _notes(coincide: int, dropped: int, answers: int) -> list[str]:
    notes = []
    if dropped:
        notes.append(f"{_queries(dropped)} in the corpus under the query's own id: not counted as found (own_document)")
    if answers:
        notes.append(f"{_queries(answers)} in the corpus, judged as an answer to itself: kept (own_document: drop)")
    if others := coincide - dropped - answers:
        one = "1 query bears" if others == 1 else f"{others:,} queries bear"
        notes.append(f"{one} the id of a document that is not the query: ids coincide, nothing is dropped")
    return notes


def _queries(count: int) -> str:
    return "1 query is itself" if count == 1 else f"{count:,} queries are themselves"


def _dropped(
    name: str, splits: Mapping[str, Judged], rows: Mapping[str, int]
) -> tuple[dict[str, Judged], dict[str, int], list[str]]:
    kept: dict[str, Judged] = {}
    judgements = left = 0
    for split, (queries, qrels) in splits.items():
        own = np.array([rows.get(query, -2) for query in queries.ids], dtype=np.int64)
        fewer = qrels.where(qrels.rows != own[qrels.query_rows])
        gone = (np.diff(qrels.relevant().starts) > 0) & (np.diff(fewer.relevant().starts) == 0)
        judgements += len(qrels.rows) - len(fewer.rows)
        left += int(gone.sum())
        if gone.all():
            raise TaskError(
                f"task {name}: own_document = drop leaves no query in {split}: each asks for the document of its own "
                "id; leave the option out, or write keep"
            )
        stay = np.flatnonzero(~gone)
        kept[split] = (queries.select(stay), fewer.select(stay)) if gone.any() else (queries, fewer)
    said = f"own_document = drop: {len(rows):,} documents with a query's own id are not counted as found by it"
    gone_too = f"; judgements of them, left out: {judgements:,}; queries without another answer, left out: {left:,}"
    return kept, dict(rows), [said + (gone_too if judgements else "")]


def _is_itself(queries: Queries, place: int, corpus: Corpus, row: int) -> bool:
    """Return whether a document is the query: the same text, with or without its title, or else the same vector."""
    if queries.texts is not None and corpus.texts is not None:
        asked, text = normalised(queries.texts[place]), normalised(corpus.texts[row])
        return bool(asked) and (asked == text or text.endswith(f" {asked}"))
    vector = queries.vectors[place : place + 1]
    if vector.ndim != 2:
        return False
    return bool((unit_rows(vector) @ unit_rows(corpus.vectors[row : row + 1]).T).item() > EQUAL)
