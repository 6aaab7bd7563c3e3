"""A promoted system: checkpoint and corpus in one folder, which MLflow serves and `nvf search` opens.

| folder | holds |
| --- | --- |
| artifacts/checkpoint | what the trial published |
| artifacts/corpus | a task snapshot of the corpus, with a few dev queries to check and to show the model with |
| served.py, MLmodel, ... | what MLflow needs to serve it: code and settings as text, nothing pickled |
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array

from nvf.encoders import frozen
from nvf.errors import NvfError, UsageError
from nvf.systems.base import System
from nvf.tasks.base import Task
from nvf.tasks.snapshot import open_snapshot
from nvf.tasks.snapshot import save as save_task
from nvf.training import checkpoint
from nvf.types import Queries, Ranking

CHECKPOINT, CORPUS = "checkpoint", "corpus"
SPLIT = "dev"
EXAMPLES = 32
"""Dev queries that travel with a model."""
TEXT_LENGTH = 200
"""Characters of a document's text that are shown."""
PACKAGES = ("nvf", "mlflow", "torch", "numpy", "pyarrow", "safetensors", "sentence-transformers")


@dataclasses.dataclass(frozen=True, slots=True)
class Hit:
    """One answer.

    Attributes
    ----------
    rank
        From 1 on.
    id
        Of the document.
    score
        The system's own; more is better.
    text
        The document's first 200 characters, or None where the corpus has no texts.
    """

    rank: int
    id: str
    score: float
    text: str | None


class Retriever:
    """A trained system on its corpus, which answers texts or vectors.

    Parameters
    ----------
    system
        Restored.
    task
        The corpus, its encoder, and a few dev queries.
    """

    def __init__(self, system: System, task: Task) -> None:
        self.system = system
        self.task = task

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return the retriever in `folder` (`checkpoint` and `corpus`); executes none of the files.

        Raises
        ------
        CheckpointError, TaskError
            Where a file is missing or damaged.
        """
        task = open_snapshot(folder / CORPUS, verify=True)
        return cls(checkpoint.restore_system(folder / CHECKPOINT, task.corpus), task)

    def encode(self, texts: Sequence[str]) -> Queries:
        """Return `texts` as queries; raises `UsageError` where the model takes vectors only."""
        if self.task.encoder is None:
            raise UsageError(
                f"the model was trained on task {self.task.name}, whose vectors come from no encoder: it cannot be "
                "asked in words; give vectors to its MLflow model instead (mlflow.pyfunc.load_model)"
            )
        assert self.task.max_length is not None, "a task with an encoder says how long its texts may be"
        vectors = frozen.load(self.task.encoder, self.task.max_length).encode(texts)
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

    def hits(self, queries: Queries, k: int) -> list[list[Hit]]:
        """Return the best `k` documents for each query, best first."""
        ranking = self.rank(queries, k)
        scores, rows = ranking.scores.tolist(), ranking.rows.tolist()
        return [
            [self._hit(place, row, score) for place, (row, score) in enumerate(zip(*pair, strict=True), 1) if row >= 0]
            for pair in zip(rows, scores, strict=True)
        ]

    def _hit(self, rank: int, row: int, score: float) -> Hit:
        texts = self.task.corpus.texts
        return Hit(rank, self.task.corpus.ids[row], score, None if texts is None else texts[row][:TEXT_LENGTH])


class _Answers:
    """`Served.predict`, apart and without type hints: MLflow would make a signature of them, or miss them."""

    retriever: Retriever

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Return one row per query, with the columns `ids`, `scores` and `texts` (lists, best first)."""
        try:
            answers = self.retriever.hits(self._queries(model_input), int((params or {}).get("k", 10)))
        except NvfError as error:  # a served model hands on the text of this error only
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error
        columns = {"ids": "id", "scores": "score"}
        if self.retriever.task.corpus.texts is not None:
            columns["texts"] = "text"
        return pd.DataFrame(
            {name: [[getattr(hit, field) for hit in hits] for hits in answers] for name, field in columns.items()}
        )

    def _queries(self, model_input: Any) -> Queries:
        if isinstance(model_input, pd.DataFrame):
            model_input = model_input.iloc[:, 0].tolist()
        if len(model_input) and isinstance(model_input[0], str):
            return self.retriever.encode(list(model_input))
        return self.retriever.vectors(model_input)


class Served(_Answers, PythonModel):
    """What MLflow serves: a column of texts, or an array of vectors, to ids, scores and texts."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the retriever beside the model."""
        self.retriever = Retriever.open(Path(context.artifacts[CHECKPOINT]).parent)


def stage(checkpoint_folder: Path, task: Task, folder: Path) -> None:
    """Lay out in `folder` what a `Retriever` opens."""
    shutil.copytree(checkpoint_folder, folder / CHECKPOINT)
    split = task.split(SPLIT)
    few = split.select(np.arange(min(EXAMPLES, len(split))))
    save_task(dataclasses.replace(task, splits={SPLIT: few}, truth={}, leaks=(), cold=None), folder / CORPUS)


def save(checkpoint_folder: Path, task: Task, folder: Path, metadata: dict[str, Any]) -> None:
    """Write the MLflow model to `folder`, which must not exist.

    Parameters
    ----------
    checkpoint_folder
        What the trial published.
    task
        What it was trained on.
    folder
        Where the model goes.
    metadata
        Kept in its `MLmodel`, as plain data.
    """
    with tempfile.TemporaryDirectory() as temporary:
        stage(checkpoint_folder, task, Path(temporary))
        mlflow.pyfunc.save_model(
            path=str(folder),
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={name: str(Path(temporary) / name) for name in (CHECKPOINT, CORPUS)},
            signature=signature(task),
            input_example=example(task),
            pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in PACKAGES],
            metadata=metadata,
        )


def signature(task: Task) -> ModelSignature:
    """Return what the model takes and gives.

    Where the task has an encoder it takes one column: texts, or vectors as lists of numbers. Else it takes an array of
    float32 vectors. It gives lists for each query, best first.
    """
    if task.encoder is not None:
        # without a name it takes plain lists of texts too
        inputs = Schema([ColSpec(AnyType())])  # type: ignore[no-untyped-call]
    else:
        inputs = Schema([TensorSpec(np.dtype(np.float32), (-1, *task.split(SPLIT).queries.vectors.shape[1:]))])
    lists = {"ids": DataType.string, "scores": DataType.double, "texts": DataType.string}
    if task.corpus.texts is None:
        del lists["texts"]
    outputs = Schema([ColSpec(Array(of), name) for name, of in lists.items()])
    return ModelSignature(inputs=inputs, outputs=outputs, params=ParamSchema([ParamSpec("k", DataType.long, 10)]))


def example(task: Task) -> Any:
    """Return one question of the dev split, as the model takes it."""
    queries = task.split(SPLIT).queries.select(np.arange(1))
    if task.encoder is not None and queries.texts is not None:
        return list(queries.texts)
    return queries.vectors
