"""Taking a promoted model elsewhere: as a sentence-transformers folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from huggingface_hub import ModelCard
from mlflow.entities.model_registry import ModelVersion

from nvf import atomic
from nvf.errors import GateRefused, UsageError
from nvf.journal.facts import Options
from nvf.registry import card, versions
from nvf.registry.retriever import SPLIT, Retriever
from nvf.registry.shown import show
from nvf.training import export

QUESTIONS, DEPTH = 8, 5
"""How many dev queries, and how many of their hits, the exported folder is asked before it is handed over."""
AGREE = 1e-3
"""The largest difference to nvf's own score. Heads of all kinds lay under 1e-6 on MiniLM, 6e-5 where the vectors were
brought in half precision, and far above where another encoder made them."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    `furthest` is the largest difference between its scores and nvf's, over a few dev queries; None where the texts are
    not there to ask with.
    """

    model: str
    version: int
    system: str
    path: str
    furthest: float | None


def to_sentence_transformers(model: str | None, out: Path) -> Exported:
    """Write a model version as a folder that `SentenceTransformer` loads, once its scores are compared with nvf's.

    Parameters
    ----------
    model
        As `nvf.registry.versions.resolve` takes it.
    out
        A folder that is not there yet, or is empty.

    Raises
    ------
    UsageError
        Where there is no such model, the system is no head, no encoder is known, or `out` holds something.
    GateRefused
        Where the folder scores otherwise than nvf does; it is removed again.
    EncoderError, CheckpointError, TaskError, TrackingError
        Where a part is missing or damaged.
    """
    check_free(out)
    version, retriever = opened(model)
    task = retriever.task
    if task.encoder is None or task.max_length is None:
        raise UsageError(
            f"version {version.version} of {version.name} was trained on task {task.name}, whose vectors come from no "
            "encoder: there is nothing that a sentence-transformers model could encode texts with"
        )
    with beside(out) as fresh:
        export.write(retriever.system, task.encoder, task.max_length, fresh)
        furthest = _furthest(fresh, retriever)
        _describe(fresh / card.FILE, version)
    return Exported(version.name, int(version.version), retriever.system.name, str(out), furthest)


def _describe(path: Path, version: ModelVersion) -> None:
    """Write the version's card, for the hub that of a sentence-transformers model."""
    made = ModelCard(show(f"models:/{version.name}/{version.version}").card)
    made.data["library_name"] = "sentence-transformers"
    made.save(path)


def opened(model: str | None, other: Options | None = None) -> tuple[ModelVersion, Retriever]:
    """Return the version that `model` means, and the retriever in it, as `Retriever.open` has it."""
    version, folder = versions.locate(model)
    return version, Retriever.of_model(folder, other)


def check_free(out: Path) -> None:
    """Raise `UsageError` where `out` is there already, unless it is an empty folder."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"--out {out} is there already: name one that is not")


@contextlib.contextmanager
def beside(out: Path) -> Iterator[Path]:
    """Yield a path that takes the place of `out` at the end; see `nvf.atomic.whole`."""
    try:
        with atomic.whole(out) as fresh:
            yield fresh
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written: {error.strerror or error}") from error


def _furthest(folder: Path, retriever: Retriever) -> float | None:
    split, corpus = retriever.task.split(SPLIT), retriever.task.corpus
    if split.queries.texts is None or corpus.texts is None:
        return None
    queries = split.queries.select(np.arange(min(QUESTIONS, len(split))))
    found = export.furthest(folder, retriever.rank(queries, DEPTH), queries, corpus)
    if not found <= AGREE:
        raise GateRefused(
            f"the exported model scores otherwise than nvf does, by up to {found:.2g} ({AGREE:g} may be), so it was "
            f"removed again: the vectors of task {retriever.task.name} are not what encoder "
            f"'{retriever.task.encoder}' makes of its texts"
        )
    return found
