"""nudge: judged documents move along the mean of their training queries, the others stay."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from nvf import tasks
from nvf.diagnostics.burial import buries_new_documents
from nvf.errors import TaskError
from nvf.systems import create
from nvf.systems.judgements import Judgements
from nvf.systems.nudge import Nudge, nudges
from nvf.tasks.base import Qrels, Task
from nvf.training.loop import Training


@pytest.fixture(scope="module")
def task() -> Task:
    """Queries that come from elsewhere than the documents: a nudge has somewhere to go."""
    options = {"source": "synthetic", "documents": 60, "dim": 12, "noise": 0.1, "map": "rotation"}
    return tasks.build({**options, "train": 600, "dev": 200, "test": 30})


def judged(task: Task, triples: list[tuple[int, int, int]]) -> Task:
    """Return the task with these judgements (query, document, grade) of its first training queries alone."""
    queries = 1 + max(query for query, _, _ in triples)
    train = dataclasses.replace(task.train.select(np.arange(queries)), qrels=Qrels.from_triples(queries, triples))
    return dataclasses.replace(task, splits={**task.splits, "train": train})


def prepared(task: Task, **params: object) -> Nudge:
    system = create("nudge", params, task.corpus)
    assert isinstance(system, Nudge)
    system.prepare(task, 0)
    return system


TRIPLES = [(0, 5, 2), (0, 9, 2), (1, 5, 1), (2, 30, 0)]


def test_judgements_are_those_above_zero(task: Task) -> None:
    held = Judgements.of(judged(task, TRIPLES), torch.device("cpu"))
    assert held.documents.tolist() == [5, 9]
    assert held.pairs.T.tolist() == [[0, 0], [1, 0], [0, 1]] and held.grades.tolist() == [2, 1, 2]
    assert torch.allclose(held.queries.norm(dim=1), torch.ones(2))
    assert held.weights(0).tolist() == [2, 1, 2]
    assert held.weights(1).tolist() == [0.5, 1, 0.5]
    assert held.weights(0.5).tolist() == [1, 1, 1]


def test_a_document_moves_along_the_mean_of_its_queries(task: Task) -> None:
    some = judged(task, TRIPLES)
    first, second = functional.normalize(torch.tensor(np.array(task.train.queries.vectors[:2])))
    directions = nudges(Judgements.of(some, torch.device("cpu")), 0.5)
    assert torch.allclose(directions[0], functional.normalize(first + second, dim=0), atol=1e-6)
    assert torch.allclose(directions[1], first, atol=1e-6)
    queries = task.split("dev").queries
    asked = functional.normalize(torch.tensor(np.array(queries.vectors)))
    document = torch.tensor(np.array(task.corpus.vectors[9]))
    expected = asked @ functional.normalize(functional.normalize(document, dim=0) + 0.7 * first, dim=0)
    ranking = prepared(some, gamma=0.7).rank(queries, len(task.corpus))
    assert torch.allclose(ranking.scores[ranking.rows == 9], expected, atol=1e-5)


def test_only_judged_documents_move(task: Task) -> None:
    queries = task.split("dev").queries
    raw = create("raw", {}, task.corpus).rank(queries, 60)
    ranking = prepared(judged(task, TRIPLES)).rank(queries, 60)
    for row in range(60):
        same = torch.allclose(ranking.scores[ranking.rows == row], raw.scores[raw.rows == row], atol=1e-5)
        assert same == (row not in (5, 9))


def test_no_move_is_raw(task: Task) -> None:
    queries = task.split("dev").queries
    raw = create("raw", {}, task.corpus).rank(queries, 20)
    assert torch.equal(prepared(task, gamma=0).rank(queries, 20).rows, raw.rows)


def test_it_finds_what_was_judged_and_buries_what_was_not(task: Task) -> None:
    def run(gamma: float, share: float) -> Training:
        withheld = task.withhold(share, 0)
        return Training(create("nudge", {"gamma": gamma}, task.corpus), withheld, seed=0, epochs=9, measures=["RR@10"])

    raw, healthy, buried = (run(*setting).start() for setting in ((0, 0.2), (3, 0), (3, 0.2)))
    assert healthy.figures["all"]["RR@10"] > raw.figures["all"]["RR@10"] + 0.5
    assert buries_new_documents(healthy.figures, raw.figures, "RR@10") == []
    assert buries_new_documents(buried.figures, raw.figures, "RR@10")


def test_a_state_for_another_corpus_is_refused(task: Task) -> None:
    system = prepared(task)
    smaller = dataclasses.replace(task.corpus, vectors=task.corpus.vectors[:40], order=task.corpus.order[:40])
    with pytest.raises(RuntimeError, match="document 59 moves, but the corpus has 40"):
        create("nudge", {}, smaller).load_state(system.state())


def test_it_needs_a_judgement(task: Task) -> None:
    assert create("nudge", {}, task.corpus).applies_to(judged(task, TRIPLES)) is None
    with pytest.raises(TaskError, match="no training query with a relevant document"):
        prepared(judged(task, [(0, 5, 0)]))
