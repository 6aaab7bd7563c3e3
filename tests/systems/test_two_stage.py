"""two_stage: the reranker starts harmless, wins what stage one's rank lost, and stops by itself."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from nvf import tasks
from nvf.systems import create
from nvf.systems.two_stage import Candidates, TwoStage
from nvf.tasks.base import Qrels, Task
from nvf.testing import inspected
from nvf.training import checkpoint
from nvf.training.loop import Training

PUBLISHED = {"prior": False, "view": False, "sees": "raw", "initial": "default", "gated": False}
PREFIXED = {f"reranker.{name}": value for name, value in PUBLISHED.items()}
KINDS = ["concatenation", "difference", "cross_attention", "bilinear"]


@pytest.fixture(scope="module")
def task() -> Task:
    """The published setting, smaller: the Bayes decision finds 98 % of the queries."""
    options = {"source": "synthetic", "documents": 200, "dim": 32, "noise": 0.19, "map": "rotation"}
    return tasks.build({**options, "train": 4000, "dev": 500, "test": 1000})


def run(task: Task, params: dict[str, object], epochs: int = 11) -> tuple[TwoStage, Training]:
    system = create("two_stage", {"stage_one.epochs": 6, "stage_one.lr": 0.02, **params}, task.corpus)
    assert isinstance(system, TwoStage)
    training = Training(system, task, seed=0, epochs=epochs, measures=["Success@1"])
    training.start()
    for number in range(1, training.epochs + 1):
        training.epoch(number)
    return system, training


@pytest.mark.parametrize("gated", [True, False])
def test_only_the_gate_keeps_a_harmful_reranker_out(task: Task, gated: bool) -> None:
    system, training = run(task, {**PREFIXED, "reranker.gated": gated}, epochs=7)
    dev = task.split("dev")
    same = torch.equal(system.rank(dev.queries, 20).rows, system.stage_one(dev.queries, 20).rows)
    assert same == gated
    assert [each.name for each in inspected(system, dev).diagnoses] == ([] if gated else ["harmful_reranker"])


def test_a_checkpoint_of_before_the_gate_ranks_and_goes_on(task: Task, tmp_path: Path) -> None:
    """It names no `reranks`, and none of the parameters that came with it."""
    settings = {"stage_one.rank": 16, "depth": 10}
    system, training = run(task, settings, epochs=7)
    queries = task.split("dev").queries
    checkpoint.save(tmp_path / "8", training, training.epoch(8))
    found = system.rank(queries, 20)
    assert not torch.equal(found.rows, system.stage_one(queries, 20).rows)
    made_older(tmp_path / "8")
    assert torch.equal(checkpoint.restore_system(tmp_path / "8", task.corpus).rank(queries, 20).rows, found.rows)
    undisturbed = training.epoch(9).losses
    again = create("two_stage", {"stage_one.epochs": 6, "stage_one.lr": 0.02, **settings}, task.corpus)
    resumed = Training(again, task, seed=0, epochs=9, measures=["Success@1"])
    checkpoint.resume(tmp_path / "8", resumed)
    assert resumed.epoch(9).losses == undisturbed


def made_older(folder: Path) -> None:
    meta = json.loads((folder / "checkpoint.json").read_text())
    for name in [*PREFIXED, "direct"]:
        del meta["params"][name]
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    del tensors["reranks"]
    content = safetensors.torch.save(tensors)
    (folder / "model.safetensors").write_bytes(content)
    meta["files"]["model.safetensors"] = hashlib.sha256(content).hexdigest()
    (folder / "checkpoint.json").write_text(json.dumps(meta))


@pytest.mark.parametrize("kind", KINDS)
def test_the_reranker_wins_back_what_the_rank_cost(task: Task, kind: str) -> None:
    system, _ = run(task, {"stage_one.rank": 16, "depth": 10, "reranker.kind": kind})
    stages = system.stages(task.split("test"))
    assert stages.stage_one < 0.8
    assert stages.pipeline > stages.stage_one + 0.5 * (1 - stages.missed - stages.stage_one)
    assert stages.won > 10 * stages.lost
    assert not inspected(system, task.split("dev")).diagnoses


@pytest.mark.parametrize("kind", KINDS)
def test_over_a_full_stage_one_it_does_no_harm(task: Task, kind: str) -> None:
    system, _ = run(task, {"reranker.kind": kind, "reranker.patience": 2}, epochs=9)
    oracle = create("oracle", {}, task.corpus)
    oracle.prepare(task, 0)
    test = task.split("test")
    bayes = (oracle.rank(test.queries, 1).rows[:, 0].numpy() == test.qrels.rows).mean()
    stages = system.stages(test)
    assert stages.pipeline >= stages.stage_one - 0.002
    assert stages.pipeline >= 0.95 * bayes  # with a fifth of the published training queries; the benchmark has 0.99


def test_it_stops_when_the_held_out_queries_say_so(task: Task) -> None:
    _, training = run(task, {"reranker.patience": 1}, epochs=6)
    losses = [training.epoch(number).losses for number in range(7, 17)]
    assert losses[0] and not losses[-1]
    assert [*map(bool, losses)] == sorted(map(bool, losses), reverse=True)


def test_held_out_queries_train_neither_stage(task: Task) -> None:
    system = create("two_stage", {"stage_one.epochs": 1, "reranker.held_out": 0.25}, task.corpus)
    system.prepare(task, seed=3)
    stage_one = {int(row) for batch in system.batches(1) for row in batch.rows}
    reranker = sum(len(batch) for batch in system.batches(2))
    assert len(stage_one) == 3000
    assert 0 < reranker <= 3000


def test_a_budget_within_stage_one_leaves_its_order(task: Task) -> None:
    system, _ = run(task, {}, epochs=2)
    queries = task.split("dev").queries
    assert torch.equal(system.rank(queries, 1).rows, system.stage_one(queries, 1).rows)


def test_candidates_know_their_true_document_and_the_other_relevant_ones(task: Task) -> None:
    nearest = create("raw", {}, task.corpus).rank(task.train.queries, 3).rows.numpy()
    triples = [(row, int(document), 1) for row in range(400) for document in (*nearest[row, :2], (row * 7) % 200)]
    qrels = Qrels.from_triples(400, list(dict.fromkeys(triples)))
    train = dataclasses.replace(task.train.select(np.arange(400)), qrels=qrels)
    several = dataclasses.replace(task, splits={**task.splits, "train": train})
    system = create("two_stage", {"stage_one.epochs": 1}, task.corpus)
    system.prepare(several, 0)
    seen = 0
    for batch in system.batches(2):
        assert isinstance(batch, Candidates)
        by_vector = {vector.tobytes(): row for row, vector in enumerate(np.asarray(train.queries.vectors))}
        for place in range(len(batch)):
            relevant = set(qrels.of(by_vector[batch.raw[place].numpy().tobytes()])[0])
            rows = batch.rows[place].tolist()
            others = {rows[at] for at in batch.others[1, batch.others[0] == place].tolist()}
            true = rows[batch.targets[place]]
            assert {true, *others} == relevant & set(rows) and true not in others
            seen += len(others) > 0
    assert seen > 100


def test_the_gradient_reaches_the_query(task: Task) -> None:
    """A target of the seeds: end to end through reranker and transform, the candidates fixed."""
    system, _ = run(task, {"stage_one.rank": 16}, epochs=7)
    pipeline = system.module().eval()
    query = torch.tensor(np.asarray(task.split("dev").queries.vectors[:1]), requires_grad=True)
    candidates = torch.tensor(np.asarray(task.corpus.vectors[:5]))[None]
    stage_one = pipeline.stage_one
    pipeline.best(stage_one.transform(query), query, candidates, stage_one.temperature)[0, 0].backward()
    assert query.grad is not None and float(query.grad.norm()) > 0.01
