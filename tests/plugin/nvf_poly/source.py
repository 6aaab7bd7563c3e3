"""Arrays in a NumPy archive: `documents` (N, D), `queries` (Q, D), and `answers` (Q,), the row that answers a query."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nvf.errors import TaskError
from nvf.params import REQUIRED, param
from nvf.tasks import Source
from nvf.tasks.assemble import assemble, make_corpus
from nvf.tasks.base import Qrels, Task
from nvf.tasks.outline import Look
from nvf.tasks.splits import Plan
from nvf.types import FloatArray, IntArray, Queries


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Where the archive is, and what is carved of its queries."""

    path: str = param(REQUIRED, doc="the archive, .npz")
    dev: float = param(0.2, low=0.01, high=0.4, doc="share of the queries that becomes dev")
    test: float = param(0.2, low=0.01, high=0.4, doc="share of the queries that becomes test")


class Npz(Source[Params]):
    """An archive of arrays."""

    name = "npz"
    summary = "a NumPy archive with documents, queries and the row that answers each"
    Params = Params
    files = ("path",)

    def look(self, params: Params) -> Look:
        """Return what there is."""
        documents, queries, _ = _read(params.path)
        return Look(
            _name(params), len(documents), {"train": len(queries)}, {"dev": params.dev, "test": params.test}, []
        )

    def load(self, params: Params) -> Task:
        """Return the task."""
        documents, queries, answers = _read(params.path)
        judged = [(query, int(row), 1) for query, row in enumerate(answers)]
        asked = Queries([f"q{row:07d}" for row in range(len(queries))], queries)
        return assemble(
            name=_name(params),
            source=self.options(params),
            corpus=make_corpus([f"d{row:07d}" for row in range(len(documents))], documents),
            splits={"train": (asked, Qrels.from_triples(len(queries), judged))},
            plan=Plan(dev=params.dev, test=params.test, seed=0),
        )

    def inputs(self, params: Params) -> Iterable[Path]:
        """Return the archive: where it has changed, the task is made again."""
        return [Path(params.path)]


def _name(params: Params) -> str:
    return f"npz/{Path(params.path).stem}"


def _read(path: str) -> tuple[FloatArray, FloatArray, IntArray]:
    try:
        with np.load(path, allow_pickle=False) as held:
            documents, queries, answers = held["documents"], held["queries"], held["answers"]
    except (OSError, ValueError, KeyError) as error:
        raise TaskError(f"{path} is no archive of documents, queries and answers: {error}") from None
    if not ((answers >= 0) & (answers < len(documents))).all():
        raise TaskError(f"{path}: answers must be rows of the {len(documents)} documents")
    return documents.astype(np.float32), queries.astype(np.float32), answers
