"""A promoted system on its corpus, opened from the two folders `checkpoint` and `corpus`; it needs no MLflow."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from nvf import devices, tasks
from nvf.encoders import frozen
from nvf.errors import CheckpointError, UsageError
from nvf.journal.facts import Options
from nvf.systems import SYSTEMS, catalogue
from nvf.systems.base import System
from nvf.tasks.base import Task
from nvf.tasks.snapshot import open_snapshot
from nvf.training import checkpoint
from nvf.types import Queries, Ranking

CHECKPOINT, CORPUS, RESOURCES = "checkpoint", "corpus", "resources.json"
SPLIT = "dev"
TEXT_LENGTH = 200
"""Characters of a document's text that are shown."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer: its place from 1 on, a document's id, and the system's own score, of which more is better.

    `text` are the document's first characters, or None where the corpus has no texts.
    """

    rank: int
    id: str
    score: float
    text: str | None


class Retriever:
    """A trained system on its corpus, which answers texts or vectors; its task has an encoder and a few dev queries."""

    def __init__(self, system: System, task: Task) -> None:
        self.system = system
        self.task = task

    @classmethod
    def open(cls, folder: Path, other: Options | None = None) -> Self:
        """Return the retriever in `folder` (`checkpoint` and `corpus`); executes none of the files.

        It encodes and ranks on a GPU where its sweep asked for one (`resources.json`) and torch sees one.

        With `other`, the options of a task as in a sweep file, it answers over that task's corpus instead.

        Raises
        ------
        UsageError
            Where there is `other`, and what the system learned is about the documents of its own task.
        CheckpointError, TaskError
            Where a file is missing or damaged, or the vectors of `other` are of another kind.
        """
        with devices.using(_gpu(folder / RESOURCES)):
            return cls._open(folder, other)

    @classmethod
    def of_model(cls, folder: Path, other: Options | None = None) -> Self:
        """Return the retriever of a registered model, given the model's folder; see `open`."""
        return cls.open(folder / "artifacts", other)

    @classmethod
    def _open(cls, folder: Path, other: Options | None) -> Self:
        home = open_snapshot(folder / CORPUS, verify=True)
        if other is None:
            return cls(checkpoint.restore_system(folder / CHECKPOINT, home.corpus), home)
        system = checkpoint.load(folder / CHECKPOINT).meta["system"]
        if system in SYSTEMS and not SYSTEMS[system].transfers:
            raise UsageError(
                f"what '{system}' learned is about the documents of {home.name}, so it cannot rank those of "
                f"another task; of the systems, these can: {catalogue.transferring()}"
            )
        task = open_snapshot(tasks.build_snapshot(other))
        tasks.check_fit(home, task)
        if task.encoder is None:
            task = dataclasses.replace(task, encoder=home.encoder, max_length=home.max_length)
        return cls(checkpoint.restore_system(folder / CHECKPOINT, task.corpus), task)

    def encode(self, texts: Sequence[str], *, light: bool = False) -> Queries:
        """Return `texts` as queries, by an encoder that is quick to load where `light` and there is one.

        Raises `UsageError` where the model takes vectors only.
        """
        if self.task.encoder is None:
            raise UsageError(
                f"the vectors of task {self.task.name} come from no encoder: the model cannot be asked in words; "
                "give vectors to its MLflow model instead (mlflow.pyfunc.load_model)"
            )
        assert self.task.max_length is not None, "a task with an encoder says how long its texts may be"
        vectors = frozen.load(self.task.encoder, self.task.max_length, str(self.system.device), light=light).encode(
            texts
        )
        return Queries([str(row) for row in range(len(texts))], vectors, list(texts))

    def vectors(self, values: Any) -> Queries:
        """Return vectors, one for each query, as queries; raises `UsageError` where they are unlike the task's."""
        shape = self.task.split(SPLIT).queries.vectors.shape[1:]
        try:
            vectors = np.asarray(values, dtype=np.float32)
        except (TypeError, ValueError):
            vectors = np.empty(0, dtype=np.float32)
        if len(values) and vectors.shape != (len(values), *shape):
            raise UsageError(
                f"each query must be {' x '.join(map(str, shape))} numbers"
                f"{', or a text' if self.task.encoder is not None else ''}; where texts are taken too, vectors come as "
                'one column of lists: pandas.DataFrame({"vector": list(vectors)})'
            )
        return Queries([str(row) for row in range(len(vectors))], vectors.reshape(-1, *shape))

    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the best `k` documents for each query; raises `UsageError` where `k` is less than 1."""
        if k < 1:
            raise UsageError(f"k = {k}: ask for 1 document or more")
        return self.system.rank(queries, min(k, len(self.task.corpus)))

    def hits(self, queries: Queries, k: int, length: int = TEXT_LENGTH) -> list[list[Hit]]:
        """Return the best `k` documents for each query, best first, with the first `length` characters of each."""
        ranking = self.rank(queries, k)
        scores, rows = ranking.scores.tolist(), ranking.rows.tolist()
        return [
            [
                self._hit(place, row, score, length)
                for place, (row, score) in enumerate(zip(*pair, strict=True), 1)
                if row >= 0
            ]
            for pair in zip(rows, scores, strict=True)
        ]

    def _hit(self, rank: int, row: int, score: float, length: int) -> Hit:
        texts = self.task.corpus.texts
        return Hit(rank, self.task.corpus.ids[row], score, None if texts is None else texts[row][:length])


def _gpu(path: Path) -> float:
    """Return what a model's sweep asked of a GPU; 0 for a model of an older version, which did not say."""
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["gpu"])
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise CheckpointError(f"{path} is damaged: it does not say what share of a GPU the model's sweep had") from None
