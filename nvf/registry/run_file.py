"""What a promoted model answers to a whole split, as a TREC run file: what trec_eval and its kin read.

The test split stays sealed. A run file of it is written only for a version that a confirmation has judged on test: it
shows the answers behind figures that are known, and of nothing else. It is journaled each time, before it is written.
It is no further opening, for nothing is judged that was not, but the model card dates it: who reads single answers of
test and then searches on, chooses with test in view.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities.model_registry import ModelVersion

from nvf.errors import GateRefused, TaskError, UsageError
from nvf.journal import folders
from nvf.journal.events import Event, Journal, read
from nvf.journal.replay import replay
from nvf.registry.confirmations import confirmations
from nvf.registry.export import beside, check_free, opened
from nvf.registry.judging import SPLIT as SEALED
from nvf.registry.searched import snapshot_of
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Split
from nvf.tracking import names
from nvf.types import Ranking

DEPTH = 1000
"""Documents for each query, as TREC has it."""


@dataclass(frozen=True, slots=True)
class RunFile:
    """What was written.

    Attributes
    ----------
    model, version, split
        What of.
    path
        Where it lies.
    queries, lines
        How many queries were asked, and how many documents found for them in all.
    """

    model: str
    version: int
    split: str
    path: str
    queries: int
    lines: int


def to_trec(model: str | None, split: str, out: Path, depth: int = DEPTH) -> RunFile:
    """Write the answers of a model version to every query of a split of its task.

    Parameters
    ----------
    model
        As `nvf.registry.versions.resolve` takes it.
    split
        train, dev or test.
    out
        A file that is not there yet.
    depth
        At most so many documents for each query.

    Raises
    ------
    GateRefused
        Where the split is test, and no confirmation has judged this version on it.
    UsageError
        Where there is no such model, `out` is there, or an id has white space in it.
    SweepError, JournalError
        Where the sweep that the version comes from is not here, or is running.
    TaskError
        Where there is no such split, or the task has changed since.
    CheckpointError, TrackingError
        Where a part is missing or damaged, or MLflow does not answer.
    """
    check_free(out)
    version, retriever = opened(model)
    folder = folders.find(version.tags[names.SWEEP])
    events = read(folder)
    _, task = snapshot_of(events, replay(events))
    if task.fingerprint != version.tags[names.FINGERPRINT]:
        raise TaskError(
            f"sweep '{folder.name}' is not the one that version {version.version} of {version.name} comes from: it "
            "searched another task"
        )
    asked = task.split(split)
    ranking = rank_split(retriever.system, asked, min(depth, len(task.corpus)))
    lines = _lines(ranking, asked, task.corpus.ids, f"{version.name}/{version.version}")
    if split == SEALED:
        _journal(folder, version)
    with beside(out) as fresh:
        fresh.write_text("".join(lines), encoding="utf-8")
    return RunFile(version.name, int(version.version), split, str(out), len(asked), len(lines))


def _journal(folder: Path, version: ModelVersion) -> None:
    """Write down that test is read, provided that a confirmation has judged the version on it."""
    journal, events = Journal.open(folder)
    with journal:
        trial = int(version.tags[names.TRIAL])
        if not _judged(events, version.tags["nvf.checkpoint"]):
            raise GateRefused(
                f"test stays sealed: no confirmation has judged version {version.version} of {version.name} on it; "
                f"nvf confirm {folder.name} --trial {trial} does, once; a run file of dev is free: --split dev"
            )
        at = {"trial": trial, "model": version.name, "version": int(version.version)}
        journal.append("test_run", sync=True, **at, clock={"host": platform.node(), "pid": os.getpid()})


def _judged(events: Sequence[Event], digest: str) -> bool:
    return any(
        row["champion"]["checkpoint"]["digest"] == digest
        for each in confirmations(events)
        if each.result is not None
        for row in each.result["finalists"]
    )


def _lines(ranking: Ranking, split: Split, documents: Sequence[str], tag: str) -> list[str]:
    """Return a line for each hit: query, Q0, document, rank from 1, score, tag.

    Nine digits bring a float32 back as it was, so that equal scores stay equal, and trec_eval, which looks at scores
    and ids only, finds the order of `ranking`.
    """
    table = zip(split.queries.ids, ranking.rows.tolist(), ranking.scores.tolist(), strict=True)
    return [
        f"{_word(query)} Q0 {_word(documents[row])} {rank} {score:.9g} {tag}\n"
        for query, rows, scores in table
        for rank, (row, score) in enumerate(zip(rows, scores, strict=True), 1)
        if row >= 0
    ]


def _word(name: str) -> str:
    if not re.fullmatch(r"\S+", name):
        raise UsageError(f"id '{name}' has white space in it, or nothing: a TREC run file cannot hold it")
    return name
