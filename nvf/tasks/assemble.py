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
from nvf.tasks import identity, leakage, own, spill
from nvf.tasks.base import Corpus, Judged, Qrels, Split, Task
from nvf.tasks.files import Judgement
from nvf.tasks.splits import Plan, carve
from nvf.types import FloatArray, IntArray, Queries

UNIT_TOLERANCE = 1e-4
ROWS_AT_ONCE = 65_536


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


def judged_splits(
    splits: Mapping[str, Sequence[Judgement]], queries: Queries, documents: Mapping[str, int]
) -> dict[str, Judged]:
    """Return the judged queries of each split, from `queries`, which hold those of all; `documents` are rows by id."""
    at = {query: row for row, query in enumerate(queries.ids)}

    def taken(judgements: Sequence[Judgement]) -> Judged:
        ids = query_ids(judgements)
        return queries.select(np.array([at[query] for query in ids])), judge(judgements, ids, documents)

    return {name: taken(judgements) for name, judgements in splits.items()}


def assemble(
    *,
    name: str,
    source: Mapping[str, Any],
    corpus: Corpus,
    splits: Mapping[str, Judged],
    encoder: str | None = None,
    max_length: int | None = None,
    plan: Plan | None = None,
    own_document: str | None = None,
    notes: Sequence[str] = (),
    truth: Mapping[str, FloatArray] | None = None,
) -> Task:
    """Return the task made of `corpus` and the judged queries of `train`, `dev` and `test`.

    What `plan` says is carved off train where there is no dev split, or no test split (see `splits.carve`); by default
    a fifth becomes dev. Without training queries nothing is carved: such a task has no dev, and can be measured, not
    searched. `own_document` is as `own.option`. The other arguments are those of `Task`. Raises `TaskError` where a
    split that is needed is missing or empty, or where widths disagree.
    """
    for split, (queries, _) in splits.items():
        _check_width(split, queries, corpus)
    plan = plan or Plan(dev=0.2, test=None, seed=0)
    splits, dropped, on_own = own.settle(name, splits, corpus, own_document)
    threshold = leakage.threshold_of(encoder, *(queries.vectors for queries, _ in splits.values()))
    judged, carving = _complete(name, splits, plan, threshold)
    train = judged["train"][0]
    made = {split: _split(split, *part, train, dropped, threshold) for split, part in judged.items()}
    counts = {split: (qrels.missing, len(qrels.rows)) for split, (_, qrels) in splits.items()}
    task = Task(
        name=name,
        source=dict(source),
        corpus=corpus,
        splits=made,
        threshold=threshold,
        encoder=encoder,
        max_length=max_length,
        leaks=leakage.report(made, threshold),
        notes=(*identity.missing(counts), *notes, *on_own, *carving),
        truth=dict(truth or {}),
    )
    return dataclasses.replace(task, fingerprint=fingerprint(task))


def _complete(
    name: str, splits: Mapping[str, Judged], plan: Plan, threshold: float
) -> tuple[dict[str, Judged], list[str]]:
    """Return train, dev and test, with what is missing carved from train, and what the user should know of it."""
    empty = next((queries for queries, _ in splits.values()), None)
    none = np.zeros(0, dtype=np.int64)
    nothing = (
        (Queries([], np.zeros((0, 1), np.float32)) if empty is None else empty.select(none)),
        Qrels.from_triples(0, []),
    )
    train, notes = splits.get("train", nothing), []
    judged = {"train": train, "dev": splits.get("dev", nothing), "test": splits.get("test", nothing)}
    wanted = {
        split: share for split, share in (("dev", plan.dev), ("test", plan.test)) if share and split not in splits
    }
    if wanted and len(train[0]):
        carved = carve(*train, wanted, threshold, plan.seed)
        judged |= {split: _part(train, rows) for split, rows in carved.rows.items()}
        if plan.rest != "train":
            judged |= {plan.rest: judged["train"], "train": nothing}
        notes = [carved.note] if carved.note else []
    for split in ("dev", "test"):
        if len(judged[split][0]) == 0 and (split == "test" or split in splits):
            raise TaskError(f"task {name}: the {split} split has no queries; it needs at least one judged query")
    return judged, notes


def _part(judged: Judged, rows: IntArray) -> Judged:
    queries, qrels = judged
    texts = None if queries.texts is None else [queries.texts[row] for row in rows]
    return Queries([queries.ids[row] for row in rows], spill.take(queries.vectors, rows), texts), qrels.select(rows)


def _split(
    name: str, queries: Queries, qrels: Qrels, train: Queries, dropped: Mapping[str, int], threshold: float
) -> Split:
    clean = np.ones(len(queries), dtype=bool) if name == "train" else ~leakage.near(queries, train, threshold)
    rows = np.array([dropped.get(query, -1) for query in queries.ids], dtype=np.int64)
    return Split(name, queries, qrels, clean, rows)


def _check_width(split: str, queries: Queries, corpus: Corpus) -> None:
    if queries.vectors.shape[-1] != corpus.dim:
        raise TaskError(
            f"{split} queries are {queries.vectors.shape[-1]} wide, but documents {corpus.dim}: "
            "both must come from the same encoder"
        )


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
