"""Training pairs: each query once an epoch, with one of its documents, the others named."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from nvf import tasks
from nvf.errors import TaskError
from nvf.systems import create
from nvf.systems.candidates import candidates
from nvf.systems.pairs import PairBatch, Pairs, needs_pairs
from nvf.tasks.base import Qrels, Task

TRIPLES = [(0, 4, 1), (0, 2, 2), (0, 9, 1), (1, 3, 0), (2, 5, 1), (3, -1, 1), (4, 2, 1), (4, 7, 1)]
CPU = torch.device("cpu")


@pytest.fixture
def task() -> Task:
    """Query 1 has only an irrelevant document, query 3 only a missing one."""
    made = tasks.build({"source": "synthetic", "documents": 10, "dim": 4, "train": 5, "dev": 3, "test": 3})
    train = dataclasses.replace(made.train, qrels=Qrels.from_triples(5, TRIPLES))
    return dataclasses.replace(made, splits={**made.splits, "train": train})


def epoch(task: Task, number: int, size: int = 2) -> list[PairBatch]:
    return list(Pairs(task, CPU).batches(size, 0, number))


def test_every_query_with_a_relevant_document_once(task: Task) -> None:
    batches = epoch(task, 1)
    assert [len(batch) for batch in batches] == [2, 1]
    assert sorted(torch.cat([batch.rows for batch in batches]).tolist()) == [0, 2, 4]


def test_positive_and_others_are_the_relevant_documents(task: Task) -> None:
    relevant = {0: {2, 4, 9}, 2: {5}, 4: {2, 7}}
    for batch in epoch(task, 3):
        for place, (row, positive) in enumerate(zip(batch.rows.tolist(), batch.positives.tolist(), strict=True)):
            others = batch.others[1, batch.others[0] == place].tolist()
            assert positive not in others
            assert {positive, *others} == relevant[row]
            assert torch.equal(batch.queries[place], torch.from_numpy(np.asarray(task.train.queries.vectors[row])))


def test_what_was_withheld_is_among_the_others(task: Task) -> None:
    relevant = {0: {2, 4, 9}, 2: {5}, 4: {2, 7}}
    part = task.withhold(0.5, seed=0)
    left = set(part.train.qrels.relevant().rows.tolist())
    assert 0 < len(left) < 5
    for batch in epoch(part, 1):
        for place, (row, positive) in enumerate(zip(batch.rows.tolist(), batch.positives.tolist(), strict=True)):
            others = batch.others[1, batch.others[0] == place].tolist()
            known = relevant[int(part.train.queries.ids[row].removeprefix("train-"))]
            assert positive in left
            assert {positive, *others} == known and len(others) == len(known) - 1


def test_every_positive_has_its_turn(task: Task) -> None:
    drawn = {
        (row, positive)
        for number in range(40)
        for batch in epoch(task, number)
        for row, positive in zip(batch.rows.tolist(), batch.positives.tolist(), strict=True)
    }
    assert len(drawn) == 6


def test_an_epoch_is_drawn_from_seed_and_number(task: Task) -> None:
    def rows(number: int) -> list[list[int]]:
        return [[*batch.rows.tolist(), *batch.positives.tolist()] for batch in epoch(task, number)]

    assert rows(2) == rows(2)
    assert len({str(rows(number)) for number in range(8)}) > 1


def test_no_training_queries_is_said(task: Task) -> None:
    bare = dataclasses.replace(task.train, qrels=Qrels.from_triples(5, [(1, 3, 0)]))
    with pytest.raises(TaskError, match="no training query with a relevant document"):
        create("linear", {}, task.corpus).prepare(
            dataclasses.replace(task, splits={**task.splits, "train": bare}), seed=0
        )
    empty = task.train.select(np.array([], dtype=int))
    reason = needs_pairs(dataclasses.replace(task, splits={**task.splits, "train": empty}))
    assert reason is not None and "no training queries" in reason


def test_queries_of_another_width_are_refused(task: Task) -> None:
    dev = task.splits["dev"]
    wide = dataclasses.replace(dev, queries=dataclasses.replace(dev.queries, vectors=np.zeros((3, 6), np.float32)))
    window = dataclasses.replace(dev, queries=dataclasses.replace(dev.queries, vectors=np.zeros((3, 5, 4), np.float32)))
    for split, reason in ((wide, "6 wide, its documents 4"), (window, "window of 5 vectors")):
        assert reason in str(needs_pairs(dataclasses.replace(task, splits={**task.splits, "dev": split})))


def test_in_batch_candidates() -> None:
    batch = PairBatch(
        torch.arange(3), torch.zeros(3, 2), torch.tensor([7, 2, 7]), torch.tensor([[0, 1, 1, 2], [2, 7, 9, 1]])
    )
    over = candidates(batch, documents=10)
    assert over.rows is not None and over.rows.tolist() == [2, 7]
    assert over.targets.tolist() == [1, 0, 1]
    assert over.others.T.tolist() == [[0, 0], [1, 1]]


def test_a_smaller_share_is_part_of_a_larger_one() -> None:
    made = tasks.build({"source": "synthetic", "documents": 10, "dim": 4, "train": 200, "dev": 3, "test": 3})
    whole, half, tenth = (set(Pairs(made, CPU, share).rows.tolist()) for share in (1.0, 0.5, 0.1))
    assert (len(whole), len(half), len(tenth)) == (200, 100, 20)
    assert tenth < half < whole
    drawn = torch.cat([batch.rows for batch in Pairs(made, CPU, 0.1).batches(7, 0, 1)])
    assert set(drawn.tolist()) == tenth
