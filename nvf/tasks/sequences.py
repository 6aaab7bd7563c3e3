"""Next-vector prediction: C consecutive vectors of one document ask for the vector that follows them.

The corpus is every vector of every document. The vectors of the context stay in it, relevant to nothing. Splits are
drawn by document, never by window: windows of one document overlap. No encoder is kept with the task, for nobody can
ask for a window in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nvf import seeding
from nvf.errors import TaskError
from nvf.params import REQUIRED, param
from nvf.paths import absolute
from nvf.tasks import files
from nvf.tasks.assemble import assemble, make_corpus
from nvf.tasks.base import Judged, Task, answered
from nvf.tasks.outline import Look
from nvf.tasks.sources import Source
from nvf.types import FloatArray, IntArray

VECTORS, IDS = "sentences.npy", "sentences_ids.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class SequencesParams:
    """Where the vectors are, and how windows are cut. A context of 5 is the published one."""

    path: str = param(REQUIRED, doc=f"folder with {VECTORS} and {IDS}, whose ids read DOCUMENT:PLACE")
    context: int = param(5, low=1, high=1000, doc="C, how many consecutive vectors ask for the next one")
    dev: float = param(0.1, low=0.001, high=0.9, doc="share of the documents whose windows are dev")
    test: float = param(0.1, low=0.001, high=0.9, doc="share of the documents whose windows are test")
    seed: int = param(0, low=0, high=2**31 - 1, doc="seed of the splits")


class Sequences(Source[SequencesParams]):
    """Windows over the ordered vectors of documents."""

    name = "sequences"
    summary = "windows of consecutive vectors of a document, the next vector as the answer; split by document"
    Params = SequencesParams
    files = ("path",)

    def load(self, params: SequencesParams) -> Task:
        """Return the task of the folder; see `Source.load`."""
        ids, vectors, rows = self._cut(params)
        return assemble(
            name=_name(params),
            source=self.options(params),
            corpus=make_corpus(ids, vectors),
            splits={name: judged(cut, ids, vectors) for name, cut in rows.items()},
        )

    def look(self, params: SequencesParams) -> Look:
        """Return how many vectors and windows there are."""
        ids, _, rows = self._cut(params)
        queries = {name: len(cut) for name, cut in rows.items()}
        return Look(_name(params), len(ids), queries, {}, [], context=params.context)

    def _cut(self, params: SequencesParams) -> tuple[list[str], FloatArray, dict[str, IntArray]]:
        vectors_path, ids_path = self.inputs(params)
        ids = files.read_ids(files.existing(ids_path, "ids of the vectors' rows, a JSON list of DOCUMENT:PLACE"))
        vectors = files.read_vectors(files.existing(vectors_path, "one row of floats per id"), ids, ids_path)
        documents = ordered(ids, ids_path)
        parts = split_by_document(list(documents), params.dev, params.test, params.seed)
        rows = {name: windows([documents[each] for each in part], params.context) for name, part in parts.items()}
        for name, cut in rows.items():
            if len(cut) == 0:
                raise TaskError(
                    f"{vectors_path}: the {len(parts[name]):,} documents of {name} have no window of {params.context} "
                    "vectors and a next one: give a shorter context, a larger share, or longer documents"
                )
        return ids, vectors, rows

    def inputs(self, params: SequencesParams) -> Iterable[Path]:
        """Return the two files."""
        folder = absolute(params.path)
        return folder / VECTORS, folder / IDS


def _name(params: SequencesParams) -> str:
    return f"sequences/{absolute(params.path).name}"


def ordered(ids: Sequence[str], path: Path) -> dict[str, IntArray]:
    """Return document -> the rows of its vectors by their places; raises `TaskError` where an id has no place."""
    found: dict[str, list[tuple[int, int]]] = {}
    for row, identity in enumerate(ids):
        document, _, place = identity.rpartition(":")
        if not document or not place.isdecimal():
            raise TaskError(f"{path}: the id '{identity}' (row {row}) does not read DOCUMENT:PLACE, as in '4983:0'")
        found.setdefault(document, []).append((int(place), row))
    return {document: np.array([row for _, row in sorted(pairs)]) for document, pairs in found.items()}


def windows(documents: Sequence[IntArray], context: int) -> IntArray:
    """Return (Q, C + 1) rows: each run of C + 1 neighbours in a document, the last of which is the answer.

    >>> windows([np.arange(4), np.arange(10, 12)], context=2).tolist()
    [[0, 1, 2], [1, 2, 3]]
    """
    long_enough = [rows for rows in documents if len(rows) > context]
    if not long_enough:
        return np.zeros((0, context + 1), dtype=np.int64)
    return np.concatenate([np.lib.stride_tricks.sliding_window_view(rows, context + 1) for rows in long_enough])


def split_by_document(documents: Sequence[str], dev: float, test: float, seed: int) -> Mapping[str, list[str]]:
    """Return the documents of train, dev and test, drawn from `seed`, in whatever order they are given.

    Raises `TaskError` where none is left to train on.
    """
    if dev + test >= 1:
        raise TaskError(f"dev = {dev} and test = {test} leave no document to train on: their sum must be below 1")
    drawn = np.random.default_rng(seeding.derive("sequences", seed)).permutation(sorted(documents))
    first, second = round(test * len(drawn)), round((test + dev) * len(drawn))
    parts = {"train": drawn[second:], "dev": drawn[first:second], "test": drawn[:first]}
    return {name: [str(each) for each in part] for name, part in parts.items()}


def judged(cut: IntArray, ids: Sequence[str], vectors: FloatArray) -> Judged:
    """Return the windows (Q, C + 1) as queries, each with its one answer."""
    names = [f"before {ids[row]}" for row in cut[:, -1]]
    return answered(names, np.asarray(vectors[cut[:, :-1]]), cut[:, -1])
