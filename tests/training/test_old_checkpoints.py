"""Checkpoints of every system that were written before its code was last rearranged: they answer and go on as then."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nvf.systems import SYSTEMS, create
from nvf.systems.ranking import rank_split
from nvf.tasks.assemble import make_corpus
from nvf.tasks.base import Qrels, Split, Task
from nvf.training import checkpoint
from nvf.training.loop import Training
from nvf.types import Queries

SAMPLE = Path(__file__).parents[1] / "samples" / "systems.tar.gz"
DOCUMENTS, DIM, QUERIES, K = 20, 8, {"train": 30, "dev": 12, "test": 3}, 6
GRU = {"backbone.kind": "gru", "backbone.d_model": 8, "backbone.layers": 1}
STAGES = {"depth": 6, "reranker.held_out": 0.2, "reranker.hidden": 4, "reranker.gated": False}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "oracle": ("oracle", {}),
    "linear": ("linear", {"heads": "separate", "lr": 0.01}),
    "fused": ("fused", {"dense": "linear"}),
    "soft_attention": ("soft_attention", {"learn_temperature": True, "rank": 4}),
    "nudge": ("nudge", {}),
    "memory": ("memory", {"learning.epochs": 5}),
    "cascade": ("cascade", {"first": "memory", "first_epochs": 1, **STAGES}),
    "cascade-linear": ("cascade", {"first": "linear", "first_epochs": 1, "folds": 2, **STAGES}),
    "two_stage": ("two_stage", {"stage_one.epochs": 1, **STAGES}),
    "two_stage-joint": ("two_stage", {"training": "joint", **STAGES}),
    "two_tower": ("two_tower", {"width": 8}),
    "siamese": ("siamese", {"width": 8}),
    "projection": ("projection", {}),
    "jepa": ("jepa", {"lambda_contrastive": 1.0, "formulation": "n01"}),
    "respred": ("respred", {}),
    "asymmetric": ("asymmetric", {"lambda_predictive": 1.0, "ema": 0.9}),
    "amn": ("amn", {"d_model": 8, "hidden": 8}),
    "lvm": ("lvm", {**GRU, "projection": "none"}),
    "lvm_rerank": (
        "lvm_rerank",
        {"depth": 6, "amn.d_model": 8, "amn.hidden": 8, "lvm.projection": "none"}
        | {f"lvm.{name}": value for name, value in GRU.items()},
    ),
}


def waves(rows: int, columns: int, step: float) -> np.ndarray:
    """Return (rows, columns) numbers that look drawn and need no generator."""
    return np.sin(1 + step * np.arange(rows * columns) ** 1.5).reshape(rows, columns).astype(np.float32)


def split(name: str, documents: np.ndarray, windows: bool) -> Split:
    count, shift = QUERIES[name], len(name)
    rows = (7 * np.arange(count) + shift) % DOCUMENTS
    vectors = documents[rows] + 0.5 * waves(count, DIM, 0.7 + 0.1 * shift)
    if windows:
        vectors = np.stack([np.roll(vectors, lag, axis=0) for lag in (2, 1, 0)], axis=1)
    more = [(row, int(document + 3) % DOCUMENTS, 1) for row, document in enumerate(rows)]
    qrels = Qrels.from_triples(count, [*((row, int(document), 2) for row, document in enumerate(rows)), *more])
    queries = Queries([f"q{row}" for row in range(count)], vectors, [f"word{document % 5}" for document in rows])
    return Split(name, queries, qrels, np.ones(count, dtype=bool), np.full(count, -1))


def task_of(name: str) -> Task:
    """Return the task on which the sample of a case was trained."""
    documents = waves(DOCUMENTS, DIM, 0.37)
    texts = [f"word{row % 5} word{row % 3}" for row in range(DOCUMENTS)]
    truth = {"map": np.eye(DIM, dtype=np.float32), "precision": np.ones(DIM, dtype=np.float32)}
    corpus = make_corpus([f"d{row:02}" for row in range(DOCUMENTS)], documents, texts)
    splits = {each: split(each, documents, name in ("amn", "lvm", "lvm_rerank")) for each in QUERIES}
    return Task("waves", {}, corpus, splits, 0.95, truth=truth, fingerprint="waves")


def begun(case: str) -> Training:
    name, params = CASES[case]
    task = task_of(name)
    return Training(create(name, params, task.corpus), task, seed=0, epochs=4, measures=["nDCG@10"])


def write(folder: Path) -> None:
    """Make the sample: three epochs of each case, what the system then answers, and the losses of the fourth."""
    told = {}
    for case in CASES:
        training = begun(case)
        record = training.start()
        for number in range(1, min(3, training.epochs) + 1):
            record = training.epoch(number)
        checkpoint.save(folder / case, training, record)
        ranking = rank_split(training.system, training.task.split("dev"), K)
        after = dict(training.epoch(4).losses) if training.epochs > 3 else {}
        told[case] = {"rows": ranking.rows.tolist(), "scores": ranking.scores.tolist(), "losses": after}
    (folder / "told.json").write_text(json.dumps(told))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("systems")
    with tarfile.open(SAMPLE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def told(sample: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((sample / "told.json").read_text())
    return found


def test_every_system_with_a_state_has_one() -> None:
    assert {name for name, _ in CASES.values()} == {*SYSTEMS} - {"raw", "bm25", "hybrid", "context_mean"}


@pytest.mark.parametrize("case", CASES)
def test_it_answers_as_then(case: str, sample: Path, told: dict[str, Any]) -> None:
    task = task_of(CASES[case][0])
    ranking = rank_split(checkpoint.restore_system(sample / case, task.corpus), task.split("dev"), K)
    torch.testing.assert_close(ranking.scores, torch.tensor(told[case]["scores"]), rtol=1e-4, atol=1e-5)
    assert ranking.rows.tolist() == told[case]["rows"]


@pytest.mark.parametrize("case", CASES)
def test_it_goes_on_as_then(case: str, sample: Path, told: dict[str, Any]) -> None:
    training = begun(case)
    checkpoint.resume(sample / case, training)
    losses = dict(training.epoch(4).losses) if training.epochs > 3 else {}
    assert losses == pytest.approx(told[case]["losses"], rel=1e-3, abs=1e-5)
