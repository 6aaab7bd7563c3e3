"""linear: starts as the raw encoder, and applies the document's head to the query."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from nvf import tasks
from nvf.systems import create
from nvf.systems.linear import Linear
from nvf.tasks.assemble import make_corpus
from nvf.tasks.base import Task
from nvf.types import Queries


@pytest.fixture(scope="module")
def task() -> Task:
    options = {"source": "synthetic", "documents": 50, "dim": 12, "noise": 0.2, "map": "anisotropic"}
    return tasks.build({**options, "train": 600, "dev": 30, "test": 30})


@pytest.mark.parametrize("heads", ["query", "shared", "separate"])
def test_epoch_zero_is_raw(task: Task, heads: str) -> None:
    system = create("linear", {"heads": heads}, task.corpus)
    system.prepare(task, seed=0)
    queries = task.split("dev").queries
    assert torch.equal(system.rank(queries, 9).rows, create("raw", {}, task.corpus).rank(queries, 9).rows)


@pytest.mark.parametrize("heads", ["query", "shared", "separate"])
def test_ranks_by_the_cosine_of_both_transforms(heads: str) -> None:
    rng = np.random.default_rng(1)
    vectors = (3 * rng.standard_normal((20, 6))).astype(np.float32)
    asked = rng.standard_normal((7, 6)).astype(np.float32)
    system = create("linear", {"heads": heads}, make_corpus([f"d{row:02}" for row in range(20)], vectors))
    names = {"query": ["query"], "shared": ["query"], "separate": ["query", "document"]}[heads]
    weights = {name: torch.randn(6, 6) for name in names}
    system.load_state({f"{name}.weight": weight for name, weight in weights.items()})
    zero = torch.zeros(6, 6)
    on_query, on_document = {
        "query": lambda: (weights["query"], zero),
        "shared": lambda: (weights["query"], weights["query"]),
        "separate": lambda: (weights["query"], weights["document"]),
    }[heads]()
    query, document = torch.tensor(asked), torch.tensor(vectors)
    expected = (
        functional.normalize(query + query @ on_query.T) @ functional.normalize(document + document @ on_document.T).T
    )
    found = system.rank(Queries([str(row) for row in range(7)], asked), 20)
    assert torch.equal(found.rows, expected.argsort(dim=1, descending=True))
    assert torch.allclose(found.scores, expected.sort(dim=1, descending=True).values, atol=1e-5)


def test_a_step_is_seen_by_the_next_ranking(task: Task) -> None:
    system = create("linear", {"lr": 0.05}, task.corpus)
    system.prepare(task, seed=0)
    queries = task.split("dev").queries
    before = system.rank(queries, 50)
    optimiser = torch.optim.Adam(system.parameter_groups())
    for batch in system.batches(1):
        optimiser.zero_grad()
        system.losses(batch)["info_nce"].backward()
        optimiser.step()
        system.after_step()
    fresh = create("linear", {}, task.corpus)
    fresh.load_state(system.state())
    assert not torch.equal(system.rank(queries, 50).rows, before.rows)
    assert torch.equal(system.rank(queries, 50).scores, fresh.rank(queries, 50).scores)


@pytest.mark.parametrize("negatives", ["corpus", "batch"])
def test_it_learns_where_there_is_something_to_learn(task: Task, negatives: str) -> None:
    from nvf.training.loop import Training

    system = create("linear", {"negatives": negatives, "lr": 3e-3}, task.corpus)
    training = Training(system, task, seed=0, epochs=10, measures=["RR@10"])
    start = training.start().figures["all"]["RR@10"]
    last = [training.epoch(number) for number in range(1, 11)][-1]
    assert last.figures["all"]["RR@10"] > start + 0.05


def test_document_heads_are_chosen(task: Task) -> None:
    def parameters(heads: str) -> int:
        system = create("linear", {"heads": heads}, task.corpus)
        assert isinstance(system, Linear)
        return len(system.parameter_groups()[0]["params"])

    assert [parameters(heads) for heads in ("query", "shared", "separate")] == [1, 1, 2]
