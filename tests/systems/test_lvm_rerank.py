"""lvm_rerank: the first stage's candidates in the order of the prediction, nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nvf import tasks
from nvf.systems import create
from nvf.systems.lvm_rerank import LVMRerank
from nvf.tasks.base import Task
from nvf.training.loop import Training

SMALL = {f"lvm.backbone.{name}": value for name, value in {"kind": "gru", "d_model": 64, "layers": 1}.items()}
RAW = {"lvm.projection": "none", "lvm.batch_size": 128, "lvm.lr": 3e-3}


@pytest.fixture(scope="module")
def task() -> Task:
    options = {"source": "walks", "documents": 300, "dim": 16, "turn": 1.0, "noise": 0.15}
    return tasks.build({**options, "train": 3000, "dev": 200, "test": 10})


def new(task: Task, **changes: Any) -> LVMRerank:
    system = create("lvm_rerank", {**SMALL, **RAW, **changes}, task.corpus)
    assert isinstance(system, LVMRerank)
    return system


@pytest.mark.parametrize("first", ["raw", "amn"])
def test_candidates_stay_and_their_order_is_the_prediction(task: Task, first: str) -> None:
    system = new(task, first=first, depth=7)
    system.prepare(task, 0)
    queries = task.split("dev").queries
    name = {"raw": "raw", "amn": "context_mean"}[first]  # an untrained amn is the mean
    before, after = create(name, {}, task.corpus).rank(queries, 20), system.rank(queries, 20)
    assert after.rows[:, 7:].equal(before.rows[:, 7:])
    assert after.rows[:, :7].sort(1).values.equal(before.rows[:, :7].sort(1).values)
    predictions = system._lvm.predict(queries)
    cosines = (torch.tensor(task.corpus.vectors)[after.rows[:, :7]] @ predictions.unsqueeze(-1)).squeeze(-1)
    assert (cosines.diff(dim=1) <= 1e-6).all()
    assert (after.scores.diff(dim=1) <= 0).all()
    assert system.rank(queries, 3).rows.equal(after.rows[:, :3])


def test_a_depth_beyond_the_corpus_is_the_lvm_alone(task: Task) -> None:
    system = new(task, first="raw", depth=1000)
    system.prepare(task, 0)
    queries = task.split("dev").queries
    assert system.rank(queries, 30).rows.equal(system._lvm.rank(queries, 30).rows)


def test_it_is_called_harmful_until_it_has_learned(task: Task) -> None:
    system = new(task, first="raw", depth=50)
    training = Training(system, task, seed=0, epochs=6, measures=["R@1"])
    start = training.start()
    assert "harmful_reranker" in {each.name for each in start.diagnoses}
    last = [training.epoch(number) for number in range(1, 7)][-1]
    assert last.diagnoses == ()
    raw = create("raw", {}, task.corpus).rank(task.split("dev").queries, 1).rows[:, 0]
    assert last.figures["all"]["R@1"] > (raw == torch.tensor(task.split("dev").qrels.rows)).float().mean().item()


def test_only_what_learns_has_losses(task: Task) -> None:
    def parts(**changes: Any) -> set[str]:
        system = new(task, **changes)
        system.prepare(task, 0)
        return set(system.losses(next(system.batches(1))))

    lvm = {"lvm.info_nce", "lvm.autoregressive"}
    assert parts(first="raw") == lvm
    assert parts(first="amn") == lvm | {"amn.autoregressive"}
