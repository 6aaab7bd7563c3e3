"""From documents, queries and judgements to a `Task`: what every source has in common.

Carves dev where the data has none, marks clean queries, writes the leak report, and takes the fingerprint.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nvf.errors import TaskError
from nvf.tasks import leakage, spill
from nvf.tasks.base import Corpus, Qrels, Split, Task
from nvf.tasks.files import Judgement
from nvf.tasks.splits import carve
from nvf.types import FloatArray, IntArray, Queries

UNIT_TOLERANCE = 1e-4
ROWS_AT_ONCE = 65_536

Judged = tuple[Queries, Qrels]
"""The queries of a split with their judgements."""


def make_corpus(ids: Sequence[str], vectors: FloatArray, texts: Sequence[str] | None = None) -> Corpus:
    """Return the corpus of N documents with ids, (N, D) vectors and texts; order and unit length are found here."""
    if len(ids) == 0:
        raise TaskError("the corpus is empty: it needs at least one document")
    ascending = np.array(sorted(range(len(ids)), key=ids.__getitem__))
    for left, right in zip(ascending[:-1], ascending[1:], strict=True):
        if ids[left] == ids[right]:
            raise TaskError(f"the document id '{ids[left]}' stands at rows {left} and {right}; ids must be different")
    order = np.empty(len(ids), dtype=np.int32)
    order[ascending] = np.arange(len(ids), dtype=np.int32)
    return Corpus(ids, vectors, order, _all_unit(vectors), texts)


def _all_unit(vectors: FloatArray) -> bool:
    parts = (vectors[start : start + ROWS_AT_ONCE] for start in range(0, len(vectors), ROWS_AT_ONCE))
    return all(bool((np.abs(np.linalg.norm(part, axis=1) - 1) < UNIT_TOLERANCE).all()) for part in parts)


def query_ids(judgements: Iterable[Judgement]) -> list[str]:
    """Return the different query ids, in the order of their first judgement."""
    return list(dict.fromkeys(query for query, _, _ in judgements))


def judge(judgements: Sequence[Judgement], queries: Sequence[str], documents: Mapping[str, int]) -> Qrels:
    """Return the judgements by row; a document that is not among `documents` (id -> corpus row) has row -1."""
    at = {query: row for row, query in enumerate(queries)}
    return Qrels.from_triples(
        len(queries), [(at[query], documents.get(doc, -1), grade) for query, doc, grade in judgements]
    )


def assemble(
    *,
    name: str,
    source: Mapping[str, Any],
    corpus: Corpus,
    splits: Mapping[str, Judged],
    encoder: str | None = None,
    max_length: int | None = None,
    dev: float = 0.2,
    test: float | None = None,
    seed: int = 0,
    notes: Sequence[str] = (),
    truth: Mapping[str, FloatArray] | None = None,
) -> Task:
    """Return the task made of `corpus` and the judged queries of `train`, `dev` and `test`.

    Without a dev split, the share `dev` of train is carved off (see `splits.carve`); without a test split, the share
    `test`, where one is given. `train` may be absent where nothing is carved. The other arguments are those of `Task`.

    Raises
    ------
    TaskError
        Where a split that is needed is missing or empty, or where widths disagree.
    """
    for split, (queries, _) in splits.items():
        _check_width(split, queries, corpus)
    threshold = leakage.threshold_of(encoder, *(queries.vectors for queries, _ in splits.values()))
    shares = {split: share for split, share in {"dev": dev, "test": test}.items() if share and split not in splits}
    judged, carving = _complete(name, splits, corpus.dim, shares, threshold, seed)
    train = judged["train"][0]
    made = {split: _split(split, *part, train, corpus, threshold) for split, part in judged.items()}
    task = Task(
        name=name,
        source=dict(source),
        corpus=corpus,
        splits=made,
        threshold=threshold,
        encoder=encoder,
        max_length=max_length,
        leaks=leakage.report(made, threshold),
        notes=(*notes, *_missing_note(splits), *carving),
        truth=dict(truth or {}),
    )
    return dataclasses.replace(task, fingerprint=fingerprint(task))


def _complete(
    name: str, splits: Mapping[str, Judged], dim: int, shares: Mapping[str, float], threshold: float, seed: int
) -> tuple[dict[str, Judged], list[str]]:
    """Return train, dev and test, with `shares` carved from train, and what the user should know of it."""
    nothing = Queries([], np.zeros((0, dim), dtype=np.float32)), Qrels.from_triples(0, [])
    train, notes = splits.get("train", nothing), []
    judged = {"train": train, "dev": splits.get("dev", nothing), "test": splits.get("test", nothing)}
    if shares:
        if len(train[0]) == 0:
            raise TaskError(
                f"task {name} has neither a {' nor a '.join(shares)} split nor training queries to carve one from: "
                "give one of them"
            )
        carved = carve(*train, shares, threshold, seed)
        judged |= {split: _part(train, rows) for split, rows in carved.rows.items()}
        notes = [carved.note] if carved.note else []
    for split in ("dev", "test"):
        if len(judged[split][0]) == 0:
            raise TaskError(f"task {name}: the {split} split has no queries; it needs at least one judged query")
    return judged, notes


def _part(judged: Judged, rows: IntArray) -> Judged:
    queries, qrels = judged
    texts = None if queries.texts is None else [queries.texts[row] for row in rows]
    return Queries([queries.ids[row] for row in rows], spill.take(queries.vectors, rows), texts), qrels.select(rows)


def _split(name: str, queries: Queries, qrels: Qrels, train: Queries, corpus: Corpus, threshold: float) -> Split:
    clean = np.ones(len(queries), dtype=bool) if name == "train" else leakage.clean_mask(queries, train, threshold)
    return Split(name, queries, qrels, clean, _own_rows(queries.ids, corpus.ids))


def _own_rows(queries: Sequence[str], documents: Sequence[str]) -> IntArray:
    wanted = {query: place for place, query in enumerate(queries)}
    own = np.full(len(queries), -1, dtype=np.int64)
    for row, document in enumerate(documents):
        if document in wanted:
            own[wanted[document]] = row
    return own


def _check_width(split: str, queries: Queries, corpus: Corpus) -> None:
    if queries.vectors.shape[-1] != corpus.dim:
        raise TaskError(
            f"{split} queries are {queries.vectors.shape[-1]} wide, but documents {corpus.dim}: "
            "both must come from the same encoder"
        )


def _missing_note(judged: Mapping[str, Judged]) -> list[str]:
    missing = {name: qrels.missing for name, (_, qrels) in judged.items() if qrels.missing}
    if not missing:
        return []
    where = ", ".join(f"{count:,} in {name}" for name, count in missing.items())
    return [
        f"{sum(missing.values()):,} judgements ({where}) name documents that are not in the corpus: nothing finds those"
    ]


def fingerprint(task: Task) -> str:
    """Return 32 hex digits that depend on ids, judgements, splits, vectors and texts."""
    digest = hashlib.blake2b(digest_size=16)
    _add_texts(digest, task.corpus.ids, task.corpus.texts)
    _add_array(digest, task.corpus.vectors)
    for name, split in task.splits.items():
        digest.update(name.encode())
        _add_texts(digest, split.queries.ids, split.queries.texts)
        for array in (
            split.queries.vectors,
            split.qrels.starts,
            split.qrels.rows,
            split.qrels.grades,
            split.clean,
            split.own,
        ):
            _add_array(digest, array)
    return digest.hexdigest()


def _add_texts(digest: Any, *columns: Sequence[str] | None) -> None:
    for column in columns:
        for text in column or ():
            digest.update(text.encode())
            digest.update(b"\x1f")
        digest.update(b"\x1e")


def _add_array(digest: Any, array: Any) -> None:
    digest.update(f"{array.shape}{array.dtype}".encode())
    for start in range(0, len(array), ROWS_AT_ONCE):
        digest.update(np.ascontiguousarray(array[start : start + ROWS_AT_ONCE]).data)
