"""A system that ranks all judged answers first has exactly 1 in every view, whoever measures it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nvf import tasks
from nvf.registry.judging import Judge, Trained
from nvf.systems import SYSTEMS
from nvf.systems.base import System
from nvf.tasks.base import Task
from nvf.training import checkpoint
from nvf.training.floors import measure_floors
from nvf.training.loop import Training
from nvf.types import Queries, Ranking

MEASURES = ["nDCG@10", "nDCG@3", "R@20", "Success@1", "RR@10"]
DOCUMENTS, QUERIES, ANSWERS = 60, 48, 12
VIEWS = {"all", "clean", "cold"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Nothing to choose."""


class Perfect(System[Params]):
    """Knows the answers of dev and test, by the id of the query: the best first, of equal ones the warm first."""

    name = "oracle"
    summary = "what is judged, best first"
    source = "the judgements"
    role = "ceiling"
    answers: dict[str, dict[int, int]] = {}
    warm: set[int] = set()

    def prepare(self, task: Task, seed: int) -> None:
        """It knows all there is to know."""

    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the document of the query's own id, which is dropped, then the answers, then the others."""
        width = min(k, len(self.corpus))
        rows = torch.tensor([self._ranked(name)[:width] for name in queries.ids])
        return Ranking(torch.arange(width, 0.0, -1).expand(len(queries), width), rows)

    def _ranked(self, name: str) -> list[int]:
        of, own = self.answers[name], [row for row, known in enumerate(self.corpus.ids) if known == name]
        found = own + sorted(of, key=lambda row: (-of[row], row not in self.warm))
        return found + [row for row in range(len(self.corpus)) if row not in found]

    def state(self) -> dict[str, Tensor]:
        """Return a tensor, for a checkpoint holds one at least."""
        return {"none": torch.zeros(1)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """There is nothing to take."""


@pytest.fixture
def task(tmp_path: Path, mlruns: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    """Graded answers, more than a cutoff; near-duplicate queries; queries that bear a document's id."""
    rng = np.random.default_rng(5)
    vectors = rng.standard_normal((DOCUMENTS + QUERIES, 8)).astype(np.float32)
    vectors[DOCUMENTS + 20] = vectors[DOCUMENTS]  # a query of dev, and one of test, that are in train, too
    vectors[DOCUMENTS + 40] = vectors[DOCUMENTS]
    files: dict[str, Any] = {"corpus": vectors[:DOCUMENTS], "queries": vectors[DOCUMENTS:]}
    for name, of in files.items():
        np.save(tmp_path / f"{name}.npy", of)
    names = {"corpus": [f"d{row}" for row in range(DOCUMENTS)], "queries": [f"q{row}" for row in range(QUERIES)]}
    names["queries"][30], names["queries"][45] = "d1", "d2"  # their own documents are no answers, and are dropped
    for name, ids in names.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(ids))
    splits = {"train": range(20), "dev": range(20, 34), "test": range(34, QUERIES)}
    for name, queries in splits.items():
        lines = [
            f"{names['queries'][query]}\td{row}\t{rng.integers(1, 4) if place < ANSWERS else 0}\n"
            for query in queries
            for place, row in enumerate(rng.permutation(np.arange(3, DOCUMENTS))[: ANSWERS + 3])
        ]
        (tmp_path / f"{name}.tsv").write_text("".join(lines))
    there = {key: str(tmp_path / f"{key}.npy") for key in ("corpus", "queries")}
    there |= {f"{key}_ids": str(tmp_path / f"{key}.json") for key in ("corpus", "queries")}
    there |= {name: str(tmp_path / f"{name}.tsv") for name in splits}
    task = tasks.open_snapshot(tasks.build_snapshot({"source": "vectors", "own_document": "drop", **there}))
    answers = {}
    for split in (task.split("dev"), task.split("test")):
        for query, name in enumerate(split.queries.ids):
            rows, grades = split.qrels.of(query)
            answers[name] = {int(row): int(grade) for row, grade in zip(rows, grades, strict=True) if grade > 0}
    monkeypatch.setattr(Perfect, "answers", answers)
    assert SYSTEMS["oracle"]
    monkeypatch.setitem(SYSTEMS._loaded, "oracle", Perfect)
    return task


def withheld(task: Task, seed: int = 0) -> Task:
    """A share is withheld, and what stays warm is ranked before it."""
    found = task.withhold(0.2, seed)
    assert found.cold is not None and found.train.withheld is not None
    Perfect.warm = set(np.flatnonzero(~found.cold).tolist())
    return found


def ones(figures: Any) -> bool:
    return set(figures) == VIEWS and all(set(of.values()) == {1.0} for of in figures.values())


@pytest.mark.parametrize("split", ["dev", "test"])
def test_floors(task: Task, split: str) -> None:
    found = measure_floors(withheld(task), split, MEASURES)
    assert ones(found.ceilings["oracle"]), found.ceilings["oracle"]
    assert found.queries["clean"] < found.queries["all"] and found.queries["cold"] > 0
    assert not ones(found.floors["raw"])


def test_training(task: Task) -> None:
    searched = withheld(task)
    training = Training(Perfect(Params(), searched.corpus), searched, seed=0, epochs=1, measures=MEASURES)
    assert ones(training.start().figures)


def test_judge(task: Task, tmp_path: Path) -> None:
    judge = Judge(task, MEASURES, 0.2)
    replicates = []
    for place, drawn in enumerate((None, 0, 1)):
        searched = task if drawn is None else withheld(task, drawn)
        training = Training(Perfect(Params(), task.corpus), searched, seed=place, epochs=1, measures=MEASURES)
        at = tmp_path / f"epoch-{place}"
        replicates.append(Trained(at, checkpoint.save(at, training, training.start()), drawn))
    judged = judge.finalist(replicates[:1], replicates[1:])
    assert ones(judged.figures) and all(ones(each) for each in judged.withheld) and len(judged.withheld) == 2
    ceiling = judge.untrained([0, 1])["oracle"]
    assert ones(ceiling.figures) and all(ones(each) for each in ceiling.withheld)
    assert set(judge.queries) == VIEWS
