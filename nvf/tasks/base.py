"""What is searched: a corpus, queries with judged documents, and splits, all as vectors (and text where there is text).

A task is made once by a source (`nvf.tasks.build`), written as a snapshot (`nvf.tasks.snapshot`) and opened from there,
memory-mapped, by every trial. `Task.withhold` then draws the cold documents.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nvf import seeding
from nvf.errors import TaskError
from nvf.overlap import Overlap
from nvf.types import BoolArray, FloatArray, IntArray, Queries


@dataclass(frozen=True, slots=True)
class Corpus:
    """The N documents.

    Attributes
    ----------
    ids
        N document ids, all different.
    vectors
        (N, D) float32, often memory-mapped.
    order
        (N,) int32: the place of each document among all ids in ascending order. Ties between scores go to the higher
        place (trec_eval's rule).
    unit
        Whether every vector has length 1, so that a dot product is a cosine.
    texts
        N texts, or None.
    """

    ids: Sequence[str]
    vectors: FloatArray
    order: IntArray
    unit: bool
    texts: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        """D, the width of a vector."""
        return int(self.vectors.shape[-1])


@dataclass(frozen=True, slots=True)
class Qrels:
    """Judgements of Q queries, in compressed rows.

    Attributes
    ----------
    starts
        (Q + 1,) int64: the judgements of query q are `starts[q]:starts[q + 1]`.
    rows
        (J,) int64 corpus rows; -1 for a judged document that is not in the corpus (it still counts in what an ideal
        ranking would have found, as trec_eval has it).
    grades
        (J,) int64; above 0 is relevant.
    """

    starts: IntArray
    rows: IntArray
    grades: IntArray

    def __len__(self) -> int:
        return len(self.starts) - 1

    @classmethod
    def from_triples(cls, queries: int, triples: Sequence[tuple[int, int, int]] | IntArray) -> Qrels:
        """Return the judgements given as (query row, corpus row, grade), in any order."""
        table = np.asarray(triples, dtype=np.int64).reshape(-1, 3)
        table = table[np.lexsort((table[:, 1], table[:, 0]))]
        starts = np.concatenate([[0], np.cumsum(np.bincount(table[:, 0], minlength=queries))]).astype(np.int64)
        return cls(starts, table[:, 1].copy(), table[:, 2].copy())

    @property
    def query_rows(self) -> IntArray:
        """(J,) the query row of each judgement."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    @property
    def missing(self) -> int:
        """How many judged documents are not in the corpus."""
        return int((self.rows < 0).sum())

    def select(self, queries: IntArray) -> Qrels:
        """Return the judgements of the queries at `queries`, in that order."""
        lengths = np.diff(self.starts)[queries]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        at = np.repeat(self.starts[:-1][queries] - starts[:-1], lengths) + np.arange(starts[-1])
        return Qrels(starts, self.rows[at], self.grades[at])

    def where(self, keep: BoolArray) -> Qrels:
        """Return the judgements for which `keep` (J,) is true, over the same queries."""
        table = np.stack([self.query_rows, self.rows, self.grades], axis=1)[keep]
        return Qrels.from_triples(len(self), table)

    def relevant(self) -> Qrels:
        """Return the judgements above 0 of documents that are in the corpus: what a system may be trained on."""
        return self.where((self.grades > 0) & (self.rows >= 0))

    def among(self, documents: BoolArray) -> Qrels:
        """Return the judgements of those documents of the corpus for which `documents` (N,) is true."""
        return self.where((self.rows >= 0) & documents[self.rows])

    def grades_of(self, hits: IntArray) -> IntArray:
        """Return (Q, K) int64 the grade of each hit (Q, K), a corpus row or -1; 0 where it is not judged.

        >>> Qrels.from_triples(1, [(0, 2, 3), (0, 7, 1)]).grades_of(np.array([[4, 2, -1]]))
        array([[0, 3, 0]])
        """
        width = 1 + max(hits.max(initial=0), self.rows.max(initial=0))
        known = np.flatnonzero(self.rows >= 0)
        judged = self.query_rows[known] * width + self.rows[known]
        place = judged.argsort(kind="stable")
        judged, grades = judged[place], self.grades[known][place]
        if len(judged) == 0:
            return np.zeros(hits.shape, dtype=np.int64)
        asked = np.arange(len(hits))[:, None] * width + hits
        at = np.minimum(judged.searchsorted(asked), len(judged) - 1)
        return np.where((hits >= 0) & (judged[at] == asked), grades[at], 0)

    def of(self, query: int) -> tuple[IntArray, IntArray]:
        """Return corpus rows and grades of one query."""
        part = slice(self.starts[query], self.starts[query + 1])
        return self.rows[part], self.grades[part]


Judged = tuple[Queries, Qrels]
"""The queries of a split with their judgements."""


def answered(ids: Sequence[str], vectors: FloatArray, rows: IntArray) -> Judged:
    """Return Q queries without texts, (Q, D) or (Q, C, D), each with one answer: `rows` (Q,) of the corpus."""
    triples = np.stack([np.arange(len(rows)), rows, np.ones(len(rows), dtype=np.int64)], axis=1)
    return Queries(ids, vectors), Qrels.from_triples(len(rows), triples)


@dataclass(frozen=True, slots=True)
class Split:
    """Queries with their judgements: `train`, `dev` or `test`.

    Attributes
    ----------
    name
        Its name.
    queries
        Q queries.
    qrels
        Their judgements.
    clean
        (Q,) whether a query has no near-duplicate among the training queries (all true on train itself).
    own
        (Q,) int64: the corpus row of the document that bears the query's own id and is dropped from its ranking, or -1.
    withheld
        Judgements that `Task.withhold` took out of `qrels`, or None. Nothing is trained on them, and nothing may count
        their relevant documents as negatives: a new document is one of which nothing is known, not one denied.
    """

    name: str
    queries: Queries
    qrels: Qrels
    clean: BoolArray
    own: IntArray
    withheld: Qrels | None = None

    def __len__(self) -> int:
        return len(self.queries)

    def select(self, rows: IntArray) -> Split:
        """Return the split with the queries at `rows` only."""
        return Split(
            self.name,
            self.queries.select(rows),
            self.qrels.select(rows),
            self.clean[rows],
            self.own[rows],
            None if self.withheld is None else self.withheld.select(rows),
        )


@dataclass(frozen=True, slots=True)
class Task:
    """A corpus with its splits.

    Attributes
    ----------
    name
        E.g. `beir/nfcorpus`.
    source
        The options it was made from, as plain values (`{"source": "beir", "path": ..., ...}`).
    corpus
        The documents.
    splits
        By name; `test` has queries, `train` and `dev` may have none. A sweep needs dev.
    encoder
        Name of the encoder that made the vectors, or None where the vectors came from elsewhere; with `max_length` in
        tokens.
    threshold
        Cosine above which two queries count as near-duplicates.
    leaks
        The leak report: one row for each ordered pair of splits that are judged.
    notes
        What the user should know: rules that had to be dropped, documents that are missing.
    truth
        The generator's own parameters where there is a generator, for the Bayes decision; else empty.
    fingerprint
        Hash of ids, judgements, splits and vectors.
    cold
        (N,) whether a document is cold: withheld from training, or never judged in it. None where nothing was withheld.
    """

    name: str
    source: Mapping[str, Any]
    corpus: Corpus
    splits: Mapping[str, Split]
    threshold: float
    encoder: str | None = None
    max_length: int | None = None
    leaks: tuple[Overlap, ...] = ()
    notes: tuple[str, ...] = ()
    truth: Mapping[str, FloatArray] = field(default_factory=dict)
    fingerprint: str = ""
    cold: BoolArray | None = None

    @property
    def train(self) -> Split:
        """The queries that systems learn from."""
        return self.splits["train"]

    def split(self, name: str) -> Split:
        """Return a split by name, or raise `TaskError` naming those there are."""
        if name not in self.splits:
            raise TaskError(f"task {self.name} has no split '{name}'; it has {', '.join(self.splits)}")
        return self.splits[name]

    def withhold(self, share: float, seed: int) -> Task:
        """Return the task with a seeded share of the documents judged in training withheld from it.

        Their judgements leave `train.qrels` for `train.withheld`, and queries that have no relevant document left leave
        `train`. `cold` becomes true for the withheld documents and for those never judged relevant in training. A share
        of 0 returns the task as it is: it trains on all judgements and gives no cold figure.
        """
        if share == 0:
            return self
        judged = np.unique(self.train.qrels.relevant().rows)
        draw = np.random.default_rng(seeding.derive("withhold", seed)).permutation(judged)
        withheld = np.zeros(len(self.corpus), dtype=bool)
        withheld[draw[: round(share * len(judged))]] = True
        cold = np.ones(len(self.corpus), dtype=bool)
        cold[judged] = False
        cold |= withheld
        qrels = self.train.qrels
        kept = (qrels.rows < 0) | ~withheld[qrels.rows]
        train = dataclasses.replace(self.train, qrels=qrels.where(kept), withheld=qrels.where(~kept))
        train = train.select(np.flatnonzero(np.diff(train.qrels.relevant().starts)))
        return dataclasses.replace(self, splits={**self.splits, "train": train}, cold=cold)
