"""What is withheld from a training query is no negative of it: no system's loss depends on the scores of such pairs.

In the task here one document is relevant to every training query, and the nearest to all of them. It is withheld. Its
vector takes part in no other pair, and so a system that leaves withheld pairs out of every candidate set learns the
same wherever that document lies; and one that keeps them in one loss learns something else.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from nvf import tasks
from nvf.systems import SYSTEMS, create
from nvf.tasks.assemble import make_corpus
from nvf.tasks.base import Qrels, Split, Task
from nvf.types import IntArray

DOCUMENTS, DIM, EVERYWHERE = 60, 16, 17
SMALL = {"backbone.kind": "gru", "backbone.d_model": 16, "backbone.layers": 1, "batch_size": 64}
FIRST = {"first_epochs": 1, "depth": 8, "reranker.held_out": 0.2, "reranker.lr": 1e-2, "reranker.batch_size": 64}
TWO = {"stage_one.epochs": 1, "depth": 8, "reranker.held_out": 0.2, "reranker.batch_size": 64}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("linear", {"heads": "query"}),
    ("linear", {"heads": "separate"}),
    ("linear", {"negatives": "batch"}),
    ("linear", {"sample": 30}),
    ("linear", {"negatives": "judged"}),
    ("linear", {"negatives": "mined"}),
    ("linear", {"negatives": "mined", "mined.margin": None, "mined.model": "current"}),
    ("fused", {"dense": "linear"}),
    ("soft_attention", {}),
    ("soft_attention", {"negatives": "mined", "mined.margin": None}),
    ("memory", {"learning.epochs": 2}),
    ("cascade", {"first": "raw", **FIRST}),
    ("cascade", {"first": "linear", **FIRST}),
    ("cascade", {"first": "linear", "folds": 1, **FIRST, "reranker.kind": "cross_attention"}),
    ("cascade", {"first": "memory", **FIRST, "reranker.kind": "difference"}),
    ("two_stage", TWO),
    ("two_stage", {**TWO, "reranker.kind": "cross_attention"}),
    ("two_stage", {**TWO, "training": "joint"}),
    ("two_stage", {**TWO, "training": "joint", "topk": "straight_through"}),
    ("two_tower", {}),
    ("siamese", {}),
    ("projection", {}),
    ("jepa", {"lambda_contrastive": 1.0}),
    ("respred", {}),
    ("asymmetric", {"lambda_predictive": 1.0}),
    ("amn", {"lambda_infonce": 1.0, "negatives": "batch"}),
    ("amn", {"lambda_infonce": 1.0, "negatives": "context"}),
    ("amn", {"lambda_infonce": 1.0, "negatives": "nearby"}),
    ("amn", {"lambda_infonce": 1.0, "negatives": "corpus"}),
    ("lvm", {**SMALL, "negatives": "corpus"}),
    ("lvm_rerank", {**{f"lvm.{name}": value for name, value in SMALL.items()}, "lvm.negatives": "corpus", "depth": 9}),
]


def more(queries: IntArray) -> IntArray:
    """Return judgements of the training queries besides those that they have: the document that all of them share, and
    for each another relevant one and one that is irrelevant."""
    given = [(queries * 0 + EVERYWHERE, 1), (queries % EVERYWHERE, 1), ((queries + 5) % EVERYWHERE, 0)]
    return np.concatenate([np.stack([queries, rows, np.full_like(queries, grade)], axis=1) for rows, grade in given])


@pytest.fixture(scope="module")
def vectors() -> Task:
    """Queries that share a direction, and a document that lies there; all of them have it as a relevant one."""
    options = {"source": "synthetic", "documents": DOCUMENTS, "dim": DIM, "noise": 0.15}
    made = tasks.build({**options, "train": 400, "dev": 40, "test": 10})
    shared = np.ones(DIM, dtype=np.float32) / DIM**0.5
    vectors = np.array(made.corpus.vectors)
    vectors[EVERYWHERE] = shared
    texts = [f"word{row % 20} word{row % 7} common" for row in range(DOCUMENTS)]
    splits = {}
    for name, split in made.splits.items():
        table = np.stack([split.qrels.query_rows, split.qrels.rows, split.qrels.grades], axis=1)
        table = table[table[:, 1] != EVERYWHERE]
        if name == "train":
            table = np.concatenate([table, more(np.arange(len(split)))])
        queries = dataclasses.replace(
            split.queries,
            vectors=np.asarray(split.queries.vectors + shared, dtype=np.float32),
            texts=[f"word{row % 20} common" for row in range(len(split))],
        )
        table = table[np.unique(table[:, :2], axis=0, return_index=True)[1]]
        splits[name] = dataclasses.replace(split, queries=queries, qrels=Qrels.from_triples(len(split), table))
    return dataclasses.replace(made, corpus=make_corpus(made.corpus.ids, vectors, texts), splits=splits, truth={})


@pytest.fixture(scope="module")
def windows(vectors: Task) -> Task:
    """The same task, where each query comes after three others."""

    def window(split: Split) -> Split:
        asked = np.stack([np.roll(split.queries.vectors, lag, axis=0) for lag in (3, 2, 1, 0)], axis=1)
        return dataclasses.replace(split, queries=dataclasses.replace(split.queries, vectors=asked, texts=None))

    return dataclasses.replace(vectors, splits={name: window(split) for name, split in vectors.splits.items()})


def withheld(task: Task) -> Task:
    """Withhold a fifth of the documents, that one among them."""
    parts = (task.withhold(0.2, seed) for seed in range(100))
    part = next(part for part in parts if EVERYWHERE not in part.train.qrels.rows)
    assert part.train.withheld is not None and (part.train.withheld.rows == EVERYWHERE).sum() == len(part.train) > 300
    return part


def moved(task: Task) -> Task:
    """Move that document a little: it stays the nearest to every query, with other scores."""
    vectors = np.array(task.corpus.vectors)
    step = np.random.default_rng(0).normal(size=DIM) / DIM**0.5
    vectors[EVERYWHERE] = vectors[EVERYWHERE] + 0.2 * step
    vectors[EVERYWHERE] /= np.linalg.norm(vectors[EVERYWHERE])
    return dataclasses.replace(task, corpus=dataclasses.replace(task.corpus, vectors=vectors))


def losses(name: str, params: dict[str, Any], task: Task) -> list[dict[str, float]]:
    """Return the parts of the loss at each step of three epochs."""
    system = create(name, params, task.corpus)
    system.prepare(task, 0)
    groups = system.parameter_groups()
    optimiser = torch.optim.Adam(groups) if groups else None
    found = []
    for epoch in range(1, system.epochs(3) + 1):
        torch.manual_seed(epoch)
        for batch in system.batches(epoch):
            parts = system.losses(batch)
            assert optimiser is not None
            optimiser.zero_grad()
            torch.stack([*parts.values()]).sum().backward()
            optimiser.step()
            system.after_step()
            found.append({part: loss.item() for part, loss in parts.items()})
    return found


def test_every_system_with_a_loss_is_asked() -> None:
    learns = {name for name, kind in SYSTEMS.items() if kind.learns()}
    assert learns <= {name for name, _ in CASES}


@pytest.mark.parametrize("name, params", CASES, ids=[f"{name}-{place}" for place, (name, _) in enumerate(CASES)])
def test_the_loss_does_not_depend_on_withheld_pairs(
    name: str, params: dict[str, Any], vectors: Task, windows: Task
) -> None:
    task = withheld(vectors if SYSTEMS[name].applies_to(vectors) is None else windows)
    ours, theirs = losses(name, params, task), losses(name, params, moved(task))
    assert len(ours) == len(theirs) > 0
    for mine, other in zip(ours, theirs, strict=True):
        assert np.isfinite([*mine.values()]).all() and mine == pytest.approx(other, abs=1e-6)
