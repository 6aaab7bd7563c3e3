"""What a promoted model answers to a whole split, as a TREC run file: what trec_eval and its kin read.

The split is of the task that it was trained on, or of another.

The test split stays sealed. A run file of it is written only for a version that a confirmation has judged on test: it
shows the answers behind figures that are known, and of nothing else. It is journaled each time, before it is written.
It is no further opening, for nothing is judged that was not, but the model card dates it: who reads single answers of
test and then searches on, chooses with test in view.

Test of another task chose nothing here, so nothing seals it, unless sealed queries stand in it. But it is opened: the
journal of the sweep says so, where the sweep is here, and with it the cards of models that were trained on that task.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mlflow.entities.model_registry import ModelVersion

from nvf.errors import GateRefused, TaskError, UsageError
from nvf.journal.facts import Clock, Named, Options
from nvf.journal.folders import SweepFolder
from nvf.journal.folders import names as sweeps
from nvf.journal.kinds import RunFileWritten
from nvf.journal.replay import SweepState
from nvf.registry.export import beside, check_free, opened
from nvf.registry.judging import SPLIT as SEALED
from nvf.registry.searched import snapshot_of
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Split, Task
from nvf.tasks.leakage import same_text
from nvf.tracking import names
from nvf.types import Ranking

DEPTH = 1000
"""Documents for each query, as TREC has it."""


@dataclass(frozen=True, slots=True)
class RunFile:
    """What was written.

    Attributes
    ----------
    model, version, task, split
        What of.
    path
        Where it lies.
    queries, lines
        How many queries were asked, and how many documents found for them in all.
    journal
        The sweep whose journal says that test was read; None where it was not, or the sweep is not here.
    """

    model: str
    version: int
    task: str
    split: str
    path: str
    queries: int
    lines: int
    journal: str | None


def to_trec(
    model: str | None, split: str | None, out: Path, depth: int = DEPTH, other: Options | None = None
) -> RunFile:
    """Write the answers of a model version to every query of a split of its task, or of another.

    Parameters
    ----------
    model
        As `nvf.registry.versions.resolve` takes it.
    split
        train, dev or test; by default dev, or test where there is no dev.
    out
        A file that is not there yet.
    depth
        At most so many documents for each query.
    other
        Options of another task, as in a sweep file.

    Raises
    ------
    GateRefused
        Where the split is test of the version's own task, or shares queries with it, and no confirmation has judged
        the version on that.
    UsageError
        Where there is no such model, `out` is there, an id has white space in it, or the system cannot rank `other`.
    SweepError, JournalError
        Where the sweep that the version comes from is not here and no `other` is given, or is running.
    TaskError
        Where there is no such split, the task has changed since, or the vectors of `other` are of another kind.
    CheckpointError, TrackingError
        Where a part is missing or damaged, or MLflow does not answer.
    """
    check_free(out)
    version, retriever = opened(model, other)
    own = retriever.task.fingerprint == version.tags[names.FINGERPRINT]  # `other` may name it
    sweep = _sweep(version, needed=own)
    task = sweep.task if own and sweep else retriever.task
    split = split or ("dev" if len(task.split("dev")) else SEALED)
    asked = task.split(split)
    if not len(asked):
        raise TaskError(f"task {task.name} has no {split} queries")
    if sweep is not None:
        _insist(version, sweep, task, asked)
    ranking = rank_split(retriever.system, asked, min(depth, len(task.corpus)))
    lines = _lines(ranking, asked, task.corpus.ids, f"{version.name}/{version.version}")
    journal = None
    if sweep is not None and split == SEALED:
        _journal(sweep.folder, version, task)
        journal = sweep.state.name
    with beside(out) as fresh:
        fresh.write_text("".join(lines), encoding="utf-8")
    return RunFile(version.name, int(version.version), task.name, split, str(out), len(asked), len(lines), journal)


class _Sweep(NamedTuple):
    """Where a version comes from."""

    folder: SweepFolder
    state: SweepState
    task: Task


def _sweep(version: ModelVersion, *, needed: bool) -> _Sweep | None:
    """Return the sweep that a version comes from; None where it is not here, and not needed."""
    name, fingerprint = version.tags[names.SWEEP], version.tags[names.FINGERPRINT]
    if not needed and name not in sweeps():
        return None
    folder = SweepFolder.find(name)
    state = folder.state()
    if state.started.task.fingerprint == fingerprint:
        return _Sweep(folder, state, snapshot_of(state)[1])
    if not needed:
        return None
    raise TaskError(
        f"sweep '{name}' is not the one that version {version.version} of {version.name} comes from: it searched "
        "another task"
    )


def _insist(version: ModelVersion, sweep: _Sweep, task: Task, asked: Split) -> None:
    """Raise `GateRefused` where queries of sealed test are asked, and no confirmation has judged the version on it."""
    own = task is sweep.task
    sealed = own and asked.name == SEALED or not own and _shared(asked, sweep.task.split(SEALED))
    if not sealed or _judged(sweep.state, version.tags["nvf.checkpoint"]):
        return
    where = "" if own else f", and {sealed} of the {len(asked)} {asked.name} queries of {task.name} stand in it"
    raise GateRefused(
        f"test stays sealed: no confirmation has judged version {version.version} of {version.name} on it{where}; "
        f"nvf confirm {sweep.state.name} --trial {version.tags[names.TRIAL]} does, once"
        f"{'; a run file of dev is free: --split dev' if own else ''}"
    )


def _shared(asked: Split, sealed: Split) -> int:
    """Return how many queries stand in a sealed split too: the same text or, where there are none, the same vector."""
    ours, theirs = asked.queries, sealed.queries
    if ours.texts is not None and theirs.texts is not None:
        return int(same_text(ours, theirs).sum())
    known = {vector.tobytes() for vector in theirs.vectors}
    return sum(vector.tobytes() in known for vector in ours.vectors)


def _journal(sweep: SweepFolder, version: ModelVersion, task: Task) -> None:
    """Write down that test is read."""
    with sweep.write("run file") as journal:
        written = RunFileWritten(
            trial=int(version.tags[names.TRIAL]),
            model=version.name,
            version=int(version.version),
            task=Named(task.name, task.fingerprint),
            clock=Clock.here(),
        )
        journal.append(written, sync=True)


def _judged(state: SweepState, digest: str) -> bool:
    return any(
        row.champion.checkpoint.digest == digest
        for each in state.confirmations
        if each.result is not None
        for row in each.result.finalists
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
