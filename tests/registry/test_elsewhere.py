"""What one task taught, judged on another: no label of theirs is touched, and their clean queries are our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvf import tasks
from nvf.errors import TaskError
from nvf.registry.elsewhere import Elsewhere
from nvf.registry.judging import Trained
from nvf.systems import SYSTEMS, create
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Task
from nvf.training import checkpoint
from nvf.training.floors import measure_floors
from nvf.training.loop import Training

HOME = {"source": "synthetic", "documents": 100, "dim": 16, "map": "rotation", "train": 300, "dev": 30, "test": 30}
OTHERS: list[dict[str, Any]] = [
    {**HOME, "documents": 80, "seed": 1, "test": 20},
    {**HOME, "documents": 60, "seed": 2, "map": "none", "test": 40},
]


@pytest.fixture
def home(mlruns: Path) -> Task:
    return tasks.open_snapshot(tasks.build_snapshot(HOME))


@pytest.fixture
def trained(home: Task, tmp_path: Path) -> list[Trained]:
    """Two seeds of a linear head."""
    found = []
    for seed in (0, 1):
        training = Training(create("linear", {}, home.corpus), home, seed=seed, epochs=1, measures=["R@5"])
        training.start()
        at = tmp_path / str(seed)
        found.append(Trained(at, checkpoint.save(at, training, training.epoch(1)), None))
    return found


def test_floors_are_those_of_each_task_and_their_average(home: Task) -> None:
    found = Elsewhere(home, OTHERS, ["R@5"]).floors()
    each = [measure_floors(tasks.build(options), "test", ["R@5"]).floors["raw"]["all"] for options in OTHERS]
    assert [figures["all"] for figures in found.floors["raw"].figures] == each
    assert found.floors["raw"].average["all"]["R@5"] == pytest.approx(np.mean([by["R@5"] for by in each]))
    assert [queries["all"] for queries in found.queries] == [20, 40]


def test_a_finalist_counts_every_task_alike(home: Task, trained: list[Trained]) -> None:
    found = Elsewhere(home, OTHERS, ["R@5"]).judge({4: trained}, "R@5")
    row = found.finalists[0]
    raw = found.floors["raw"].average["all"]["R@5"]
    assert row.trial == 4
    assert row.against["raw"].difference == pytest.approx(row.average["all"]["R@5"] - raw)
    assert row.against["raw"].queries == 60


def test_what_is_clean_is_told_by_the_task_that_was_trained_on(home: Task) -> None:
    asked = home.split("test").queries.vectors
    other = tasks.build(OTHERS[0])
    assert tasks.carry(home, other, "test").leaks[0].near == 0
    other.split("test").queries.vectors[:3] = home.train.queries.vectors[:3]
    carried = tasks.carry(home, other, "test")
    assert carried.leaks[0].near == 3 and not carried.split("test").clean[:3].any()
    assert carried.split("test").clean[3:].all() and len(asked) == 30


def test_vectors_that_do_not_fit_are_refused(home: Task) -> None:
    with pytest.raises(TaskError, match="width 16 there, .* of width 8 here; give both the same encoder"):
        Elsewhere(home, [{**HOME, "dim": 8}], ["R@5"])
    with pytest.raises(TaskError, match="a query is one vector there, a window of vectors here"):
        Elsewhere(home, [WALKS], ["R@5"])


WALKS = {"source": "walks", "documents": 100, "dim": 16, "train": 200, "dev": 20, "test": 20}
SMALL = {"backbone.kind": "gru", "backbone.d_model": 16, "backbone.layers": 1}
SETTINGS = {"lvm": SMALL, "lvm_rerank": {f"lvm.{name}": value for name, value in SMALL.items()}}


@pytest.mark.parametrize(
    "name", [name for name, kind in SYSTEMS.items() if kind.transfers and name not in ("bm25", "hybrid", "fused")]
)
def test_whoever_says_so_ranks_another_corpus(tmp_path: Path, name: str) -> None:
    """Restored on a corpus of four fifths the size, it ranks all of that and nothing else."""
    options = next(each for each in (HOME, WALKS) if SYSTEMS[name].applies_to(tasks.build(each)) is None)
    home, other = tasks.build(options), tasks.build({**options, "documents": 80, "seed": 1, "test": 20})
    training = Training(create(name, SETTINGS.get(name, {}), home.corpus), home, seed=0, epochs=1, measures=["R@5"])
    record = training.start()
    if SYSTEMS[name].learns():
        record = training.epoch(1)
    digest = checkpoint.save(tmp_path / "saved", training, record)
    restored = checkpoint.restore_system(tmp_path / "saved", other.corpus, digest=digest)
    rows = rank_split(restored, other.split("test"), 80).rows
    found = rows[rows >= 0]
    assert found.max() == 79 and len(rows) == 20
