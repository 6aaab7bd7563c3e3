"""A promoted system as an MLflow model: checkpoint and corpus in one folder, which MLflow serves.

| folder | holds |
| --- | --- |
| artifacts/checkpoint | what the trial published |
| artifacts/corpus | a task snapshot of the corpus, with a few dev queries to check and to show the model with |
| artifacts/resources.json | whether its sweep asked for a GPU |
| served.py, MLmodel, ... | what MLflow needs to serve it: code and settings as text, nothing pickled |
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array

from nvf.errors import NvfError
from nvf.registry.retriever import CHECKPOINT, CORPUS, RESOURCES, SPLIT, Retriever
from nvf.tasks.base import Task
from nvf.tasks.snapshot import save as save_task
from nvf.training.checkpoint import read_meta, requirement
from nvf.types import Queries

EXAMPLES = 32
"""Dev queries that travel with a model."""
PACKAGES = ("nvf", "mlflow", "torch", "numpy", "pyarrow", "safetensors", "sentence-transformers")


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


def stage(checkpoint_folder: Path, task: Task, folder: Path, gpu: float = 0) -> None:
    """Lay out in `folder` what a `Retriever` opens; with `gpu` above 0 it ranks on a GPU where it finds one."""
    shutil.copytree(checkpoint_folder, folder / CHECKPOINT)
    (folder / RESOURCES).write_text(json.dumps({"gpu": gpu}, allow_nan=False), encoding="utf-8")
    split = task.split(SPLIT)
    few = split.select(np.arange(min(EXAMPLES, len(split))))
    save_task(dataclasses.replace(task, splits={SPLIT: few}, truth={}, leaks=(), cold=None), folder / CORPUS)


def save(checkpoint_folder: Path, task: Task, folder: Path, metadata: dict[str, str], gpu: float = 0) -> None:
    """Write the MLflow model to `folder`, which must not exist: what the trial published, and what it was trained on.

    `metadata` is kept in its `MLmodel`, as plain data; `gpu` is as of `stage`.
    """
    needed = [f"{name}=={version(name).partition('+')[0]}" for name in PACKAGES]
    package = requirement(read_meta(checkpoint_folder))
    with tempfile.TemporaryDirectory() as temporary:
        stage(checkpoint_folder, task, Path(temporary), gpu)
        mlflow.pyfunc.save_model(
            path=str(folder),
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={name: str(Path(temporary) / name) for name in (CHECKPOINT, CORPUS, RESOURCES)},
            signature=signature(task),
            input_example=example(task),
            pip_requirements=[*needed, *([package] if package else [])],
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
