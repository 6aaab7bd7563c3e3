"""What competes: judged and mined negatives, a sample of the corpus; what is relevant never does."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nvf import tasks
from nvf.errors import ParamsError
from nvf.losses.info_nce import info_nce
from nvf.systems import candidates as rooms
from nvf.systems import create
from nvf.systems.candidates import Mining, candidates, mine
from nvf.systems.documents import Documents
from nvf.systems.pairs import PairBatch, Pairs
from nvf.tasks.base import Qrels, Task
from nvf.training import checkpoint
from nvf.training.loop import Training
from nvf.types import Queries, Ranking

CPU = torch.device("cpu")
DOCUMENTS = 30


@pytest.fixture(scope="module")
def task() -> Task:
    """Every training query has two relevant documents and one of grade 0; a fifth of what is judged is withheld."""
    options = {"source": "synthetic", "documents": DOCUMENTS, "dim": 8, "noise": 0.15, "map": "anisotropic"}
    made = tasks.build({**options, "train": 300, "dev": 40, "test": 10})
    splits = {name: with_grade_0(made, name) for name in ("train", "dev")}
    return dataclasses.replace(made, splits={**made.splits, **splits}).withhold(0.2, seed=0)


def with_grade_0(task: Task, name: str) -> Any:
    split = task.split(name)
    answers = split.qrels.rows
    rows = [(q, (int(answers[q]) + step) % DOCUMENTS, grade) for q in range(len(split)) for step, grade in STEPS]
    return dataclasses.replace(split, qrels=Qrels.from_triples(len(split), rows))


STEPS = [(0, 1), (1, 1), (2, 0)]


def batches(task: Task, negatives: str = "batch", mining: Mining | None = None, size: int = 4) -> list[PairBatch]:
    pairs, documents = Pairs(task, CPU), Documents(task.corpus, CPU)
    mine(pairs, negatives, mining or Mining(), documents, no_search)
    return list(pairs.batches(size, 0, 1))


def no_search(queries: Queries, k: int) -> Ranking:
    raise AssertionError("the raw encoder mines")


def relevant(task: Task, row: int) -> set[int]:
    """Of a query of train, by what the task was made with: withheld documents count."""
    rows = set(task.train.qrels.of(row)[0][task.train.qrels.of(row)[1] > 0].tolist())
    assert task.train.withheld is not None
    kept, grades = task.train.withheld.of(row)
    return rows | set(kept[grades > 0].tolist())


def test_a_batch_that_has_the_whole_corpus_draws_nothing_besides(task: Task) -> None:
    """Every document stands for itself: the sample is the softmax over all of it."""
    batch = dataclasses.replace(batches(task)[0], positives=torch.arange(DOCUMENTS), others=torch.zeros(2, 0).long())
    over = candidates(batch, DOCUMENTS, "corpus", sample=5)
    assert over.rows is not None and over.rows.tolist() == [*range(DOCUMENTS)]
    assert over.log_weights is not None and not over.log_weights.any()


def test_what_was_judged_irrelevant_joins_the_batch(task: Task) -> None:
    seen = 0
    for batch in batches(task):
        over = candidates(batch, DOCUMENTS, "judged")
        assert over.rows is not None
        grade_0 = {
            int(row)
            for query in batch.rows.tolist()
            for row, grade in zip(*task.train.qrels.of(query), strict=True)
            if grade == 0
        }
        assert set(over.rows.tolist()) == grade_0 | set(batch.positives.tolist())
        assert torch.equal(over.rows[over.targets], batch.positives)
        seen += len(grade_0 - set(batch.positives.tolist()))
    assert seen > 20


@pytest.mark.parametrize(
    ("negatives", "sample"), [("batch", None), ("judged", None), ("mined", None), ("corpus", 12), ("corpus", None)]
)
def test_nothing_relevant_is_a_negative(task: Task, negatives: str, sample: int | None) -> None:
    """Withheld or not: the loss does not look at its score."""
    for batch in batches(task, negatives, Mining(k=10, margin=None)):
        over = candidates(batch, DOCUMENTS, negatives, sample)
        rows = torch.arange(DOCUMENTS) if over.rows is None else over.rows
        scores = torch.randn(len(batch), len(rows), requires_grad=True)
        over.loss(scores, 0.5).backward()
        assert scores.grad is not None
        for place, query in enumerate(batch.rows.tolist()):
            used = set(rows[scores.grad[place] != 0].tolist())
            assert used & relevant(task, query) == {int(batch.positives[place])}


def test_training_queries_are_ranked_in_blocks(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = batches(task, "mined", Mining(k=7, margin=None))
    asked, search = [], Documents.search

    def noted(self: Documents, queries: Any, k: int) -> Ranking:
        asked.append(len(queries))
        return search(self, queries, k)

    monkeypatch.setattr(Documents, "search", noted)
    monkeypatch.setattr(rooms, "BLOCK", 64)
    for batch, expected in zip(batches(task, "mined", Mining(k=7, margin=None)), whole, strict=True):
        assert batch.mined.dtype == torch.int64 and torch.equal(batch.mined, expected.mined)
    assert max(asked) == 64 and sum(asked) == len(task.train) > 64


def test_mined_by_hand() -> None:
    made = tasks.build({"source": "synthetic", "documents": 6, "dim": 6, "train": 2, "dev": 3, "test": 3})
    corpus = dataclasses.replace(made.corpus, vectors=np.eye(6, dtype=np.float32))
    asked = np.array([[0.9, 0.8, 0.7, 0.6, 0.5, 0.1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]], np.float32)
    train = dataclasses.replace(
        made.train,
        queries=dataclasses.replace(made.train.queries, vectors=asked),
        qrels=Qrels.from_triples(2, [(0, 1, 1), (0, 4, 1), (1, 0, 1)]),
        withheld=Qrels.from_triples(2, [(0, 2, 1)]),
        own=np.array([-1, 5]),
    )
    task = dataclasses.replace(made, corpus=corpus, splits={**made.splits, "train": train})

    def mined(**mining: Any) -> dict[tuple[int, int], set[int]]:
        pairs = Pairs(task, CPU)
        mine(pairs, "mined", Mining(**mining), Documents(corpus, CPU), no_search)
        found: dict[tuple[int, int], set[int]] = {}
        for epoch in range(20):
            for batch in pairs.batches(2, 0, epoch):
                for place, query in enumerate(batch.rows.tolist()):
                    rows = batch.mined[1, batch.mined[0] == place]
                    found[query, int(batch.positives[place])] = set(rows.tolist())
        return found

    # the first query's 2 is withheld, the second query's 5 is its own document, and its 0 comes last
    assert mined(k=6, margin=None) == {(0, 1): {0, 3, 5}, (0, 4): {0, 3, 5}, (1, 0): {1, 2, 3, 4}}
    assert mined(k=6, margin=0.05) == {(0, 1): {3, 5}, (0, 4): {5}, (1, 0): set()}
    assert mined(k=6, margin=0.3) == {(0, 1): {5}, (0, 4): {5}, (1, 0): set()}, "0.6 is more than 70 % of 0.8"
    assert mined(k=5, margin=0.05)[0, 1] == {3}
    assert mined(k=3, margin=0.05) == {(0, 1): set(), (0, 4): set(), (1, 0): set()}, "what is not ranked is below all"


def test_a_sample_has_the_expectation_of_the_whole(task: Task) -> None:
    """The sum under the softmax, over many draws; a sample of all is the corpus itself."""
    batch = batches(task)[0]
    scores = torch.randn(len(batch), DOCUMENTS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def sums(logits: torch.Tensor) -> torch.Tensor:
        """exp of -log p(true), times exp of the true score: what the softmax divides by."""
        return logits.exp() * scores.gather(1, batch.positives[:, None]).squeeze(1).exp()

    def each(over: Any, columns: torch.Tensor) -> torch.Tensor:
        losses = []
        for place in range(len(batch)):
            alone = over.others[:, over.others[0] == place].clone()
            alone[0] = 0
            losses.append(
                info_nce(
                    scores[place : place + 1, columns],
                    over.targets[place : place + 1],
                    others=alone,
                    log_weights=over.log_weights,
                )
            )
        return torch.stack(losses)

    whole = sums(each(candidates(batch, DOCUMENTS, "corpus"), torch.arange(DOCUMENTS)))
    drawn = []
    for seed in range(1000):
        over = candidates(dataclasses.replace(batch, seed=seed), DOCUMENTS, "corpus", 10)
        assert over.rows is not None and 10 <= len(over.rows) <= 14
        drawn.append(sums(each(over, over.rows)))
    mean, deviation = torch.stack(drawn).mean(0), torch.stack(drawn).std(0)
    assert ((mean - whole).abs() < 4 * deviation / len(drawn) ** 0.5).all()
    assert (deviation > 0.01 * whole).all(), "it is a sample"
    assert candidates(batch, DOCUMENTS, "corpus", DOCUMENTS).rows is None


def test_a_sample_is_drawn_by_seed_epoch_and_step(task: Task) -> None:
    def drawn(*seed: int) -> list[list[int]]:
        over = [candidates(each, DOCUMENTS, "corpus", 6).rows for each in Pairs(task, CPU).batches(200, *seed)]
        return [rows.tolist() for rows in over if rows is not None]

    assert drawn(0, 1) == drawn(0, 1) != drawn(0, 2) != drawn(1, 2)
    seeds = [batch.seed for batch in Pairs(task, CPU).batches(4, 0, 1)]
    assert len(set(seeds)) == len(seeds)


def test_judged_needs_judgements(task: Task) -> None:
    bare = dataclasses.replace(task.train, qrels=task.train.qrels.relevant())
    without = dataclasses.replace(task, splits={**task.splits, "train": bare})
    for name in ("linear", "soft_attention", "two_tower", "jepa"):
        with pytest.raises(ParamsError, match="negatives = judged needs training judgements of grade 0"):
            create(name, {"negatives": "judged"}, task.corpus).prepare(without, seed=0)
        create(name, {"negatives": "judged"}, task.corpus).prepare(task, seed=0)


SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("linear", {"negatives": "corpus", "sample": 8, "batch_size": 32}),
    ("soft_attention", {"negatives": "mined", "mined.model": "current", "mined.margin": None}),
    ("two_tower", {"negatives": "corpus", "sample": 8}),
    ("jepa", {"negatives": "mined", "mined.model": "current", "lambda_contrastive": 1.0}),
    ("asymmetric", {"negatives": "judged"}),
    ("two_stage", {"stage_one.negatives": "mined", "stage_one.sample": 8, "stage_one.epochs": 2}),
    ("two_stage", {"stage_one.negatives": "judged", "training": "joint", "stage_one.epochs": 2}),
    ("cascade", {"first": "linear", "first_epochs": 2, "linear.negatives": "mined"}),
]


@pytest.mark.parametrize(("name", "params"), SETTINGS, ids=lambda value: str(value))
def test_a_continued_trial_equals_an_undisturbed_one(
    task: Task, name: str, params: dict[str, Any], tmp_path: Path
) -> None:
    def training() -> Training:
        return Training(create(name, params, task.corpus), task, seed=3, epochs=3, measures=["RR@10"])

    whole = training()
    records = [whole.start(), *(whole.epoch(number) for number in (1, 2, 3))]
    assert len({each.losses[next(iter(each.losses))] for each in records[1:]}) == 3
    first, second = training(), training()
    first.start()
    first.epoch(1)
    checkpoint.save(tmp_path / "one", first, first.epoch(2))
    checkpoint.resume(tmp_path / "one", second)
    again = second.epoch(3)
    assert (again.losses, again.figures, again.held_out) == (records[3].losses, records[3].figures, records[3].held_out)
    state = whole.system.state()
    assert all(torch.equal(value, state[key]) for key, value in second.system.state().items())
