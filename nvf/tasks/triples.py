"""Queries with a document that answers and documents that do not: the form in which MS MARCO trains.

Queries and documents are told apart by their text (or id), and each is held once. The corpus is every positive and
every negative. A positive is a judgement of grade 1 and a negative one of grade 0, which no measure counts; a negative
that another line calls positive for the same query is positive.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nvf.errors import TaskError, nearest
from nvf.params import REQUIRED, param
from nvf.paths import absolute
from nvf.tasks import files
from nvf.tasks.assemble import assemble, make_corpus
from nvf.tasks.base import Qrels, Task
from nvf.tasks.encoding import Encoding, encoder_option, length_option
from nvf.tasks.outline import Look
from nvf.tasks.sources import Source
from nvf.tasks.splits import Plan
from nvf.types import IntArray, Queries

KEYS = ("query", "positive", "negative")
FORM = '{"query": ..., "positive": ..., "negative": ...}, where the negative may be absent or a list'


@dataclass(frozen=True, kw_only=True, slots=True)
class TriplesParams:
    """Where the file is, how it becomes vectors, and how it is split."""

    path: str = param(REQUIRED, doc='JSONL of {"query", "positive", "negative"}, texts or, with `vectors`, ids')
    encoder: str = encoder_option()
    max_length: int = length_option()
    vectors: str | None = param(
        None,
        doc="folder with corpus.npy, corpus_ids.json, queries.npy, queries_ids.json, whose ids stand in the triples",
    )
    dev: float = param(0.1, low=0.001, high=0.9, doc="share of the queries that becomes dev")
    test: float = param(0.1, low=0.001, high=0.9, doc="share of the queries that becomes test")
    seed: int = param(0, low=0, high=2**31 - 1, doc="seed of that draw")


@dataclass(frozen=True, slots=True)
class Read:
    """What a file of triples holds: texts (or ids) -> their rows, in the order of their first appearance.

    `judgements` are (J, 3) int64 query row, document row, grade, each pair once; `contradicted` counts the pairs that
    are positive in one line and negative in another.
    """

    queries: Mapping[str, int]
    documents: Mapping[str, int]
    judgements: IntArray
    contradicted: int


class Triples(Source[TriplesParams]):
    """A file of triples."""

    name = "triples"
    summary = "JSONL of query, positive and negative (the MS MARCO form), split by groups of queries without leaks"
    Params = TriplesParams
    files = ("path", "vectors")

    def load(self, params: TriplesParams) -> Task:
        """Return the task of the file; see `Source.load`."""
        read = _read(params)
        documents, queries = list(read.documents), list(read.queries)
        encoding = _encoding(params)
        corpus = encoding.vectors("corpus", documents, documents)
        vectors = encoding.vectors("queries", queries, queries)
        # The id of a query and that of a document must differ: a document of a query's own id is never its answer.
        if params.vectors is None:
            made = make_corpus(_numbered("d", len(documents)), corpus, documents)
            asked = Queries(_numbered("q", len(queries)), vectors, queries)
        else:
            made = make_corpus(documents, corpus)
            asked = Queries([f"{query}?" for query in queries], vectors)
        encoder = params.encoder if params.vectors is None else None
        return assemble(
            name=_name(params),
            source=self.options(params),
            corpus=made,
            splits={"train": (asked, Qrels.from_triples(len(queries), read.judgements))},
            encoder=encoder,
            max_length=params.max_length if encoder else None,
            plan=Plan(dev=params.dev, test=params.test, seed=params.seed),
            notes=_notes(read),
        )

    def look(self, params: TriplesParams) -> Look:
        """Return how many queries and documents the file has, and that vectors are there for all of them."""
        read = _read(params)
        _encoding(params).check(corpus=list(read.documents), queries=list(read.queries))
        carved, queries = {"dev": params.dev, "test": params.test}, {"train": len(read.queries)}
        return Look(_name(params), len(read.documents), queries, carved, _notes(read), params.vectors is None)

    def inputs(self, params: TriplesParams) -> Iterable[Path]:
        """Return the file, and those of the encoder, or of the vectors that are used instead."""
        yield absolute(params.path)
        yield from _encoding(params).files()


def _read(params: TriplesParams) -> Read:
    if params.dev + params.test >= 1:
        raise TaskError(f"dev = {params.dev} and test = {params.test} leave no query to train on: sum must be < 1")
    return read_triples(files.existing(absolute(params.path), f"one {FORM} per line"))


def _name(params: TriplesParams) -> str:
    return f"triples/{absolute(params.path).stem}"


def _encoding(params: TriplesParams) -> Encoding:
    return Encoding(params.encoder, params.max_length, params.vectors)


def _numbered(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{row:07d}" for row in range(count)]


def _notes(read: Read) -> list[str]:
    if not read.contradicted:
        return []
    return [f"{read.contradicted:,} pairs are positive in one line and negative in another: they count as positive"]


def read_triples(path: Path) -> Read:
    """Return the triples of a JSONL file, read line by line.

    Raises `TaskError` where a line is no triple, or the file has none.
    """
    queries: dict[str, int] = {}
    documents: dict[str, int] = {}
    table = array("q")
    for line, entry in files.json_lines(path):
        query, positive, negatives = _triple(path, line, entry)
        row = queries.setdefault(query, len(queries))
        for document, grade in ((positive, 1), *((negative, 0) for negative in negatives)):
            table.extend((row, documents.setdefault(document, len(documents)), grade))
    if not queries:
        raise TaskError(f"{path} is empty: it needs one {FORM} per line")
    judgements, contradicted = _once(np.frombuffer(table, dtype=np.int64).reshape(-1, 3))
    return Read(queries, documents, judgements, contradicted)


def _triple(path: Path, line: int, entry: Mapping[str, Any]) -> tuple[str, str, list[str]]:
    for key in entry:
        if key not in KEYS:
            raise TaskError(f"{path}:{line}: unknown key '{key}'{nearest(key, KEYS)}; expected {FORM}")
    negative = entry.get("negative")
    negatives = negative if isinstance(negative, list) else [] if negative is None else [negative]
    texts = []
    for key, value in (
        ("query", entry.get("query")),
        ("positive", entry.get("positive")),
        *(("negative", each) for each in negatives),
    ):
        text = files.encodable(str(value)).strip() if isinstance(value, str | int) else ""
        if not text or isinstance(value, bool):
            raise TaskError(f"{path}:{line}: {key} = {value!r} is no text and no id; expected {FORM}")
        texts.append(text)
    return texts[0], texts[1], texts[2:]


def _once(table: IntArray) -> tuple[IntArray, int]:
    """Return each pair of a query and a document once, with its highest grade, and how many had two grades."""
    table = table[np.lexsort((-table[:, 2], table[:, 1], table[:, 0]))]
    same = (table[1:, :2] == table[:-1, :2]).all(axis=1)
    dropped = table[1:][same]
    first = np.concatenate([[True], ~same])
    kept = table[first]
    positive = kept[np.cumsum(first)[1:][same] - 1, 2] > 0
    contradicted = np.unique(dropped[positive & (dropped[:, 2] == 0)][:, :2], axis=0)
    return kept, len(contradicted)
