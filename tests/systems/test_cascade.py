"""cascade: learns from answers to queries that its first stage did not know, and starts at that stage's order."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from nvf import tasks
from nvf.errors import TaskError
from nvf.systems import create
from nvf.systems.cascade import Cascade
from nvf.systems.crossfit import CrossFit
from nvf.systems.ranking import rank_split
from nvf.tasks.assemble import make_corpus
from nvf.tasks.base import Qrels, Split, Task
from nvf.training import checkpoint
from nvf.training.loop import Training

HOT = {"first": "memory", "memory.weight": 2.0, "memory.diffusion": False}
"""A memory that is right about what it has been told, and little else."""


@pytest.fixture(scope="module")
def task() -> Task:
    """Queries noisier in some directions, each with a second, less relevant document; with texts."""
    options = {"source": "synthetic", "documents": 200, "dim": 32, "noise": 0.3, "map": "anisotropic"}
    made = tasks.build({**options, "train": 1500, "dev": 400, "test": 10})
    near = create("raw", {}, made.corpus).rank(
        dataclasses.replace(made.train.queries, vectors=np.asarray(made.corpus.vectors), texts=None), 2
    )

    def graded(split: Split) -> Split:
        rows = split.qrels.rows
        triples = [(row, int(document), 2) for row, document in enumerate(rows)]
        triples += [(row, int(near.rows[document, 1]), 1) for row, document in enumerate(rows)]
        texts = [f"word{document % 50}" for document in rows]
        queries = dataclasses.replace(split.queries, texts=texts)
        return dataclasses.replace(split, queries=queries, qrels=Qrels.from_triples(len(rows), triples))

    corpus = make_corpus(made.corpus.ids, np.asarray(made.corpus.vectors), [f"word{row % 50}" for row in range(200)])
    splits = {name: graded(split) for name, split in made.splits.items()}
    return dataclasses.replace(made, corpus=corpus, splits=splits, truth={})


def new(task: Task, **params: object) -> Training:
    settings = {"depth": 20, "first_epochs": 2, "reranker.lr": 1e-3, "linear.lr": 3e-3, **params}
    return Training(create("cascade", settings, task.corpus), task, seed=0, epochs=99, measures=["nDCG@10"])


def run(task: Task, epochs: int, **params: object) -> tuple[Cascade, list[float], list[set[str]]]:
    training = new(task, **params)
    records = [training.start(), *(training.epoch(number) for number in range(1, epochs + 1))]
    assert isinstance(training.system, Cascade)
    values = [record.figures["all"]["nDCG@10"] for record in records]
    return training.system, values, [set(record.losses) for record in records]


@pytest.mark.parametrize("first", ["raw", "bm25", "hybrid", "nudge", "memory"])
def test_it_starts_at_its_first_stages_order_and_improves_on_it(task: Task, first: str) -> None:
    system, values, losses = run(task, 4, first=first)
    dev = task.split("dev")
    alone = create(first, {}, task.corpus)
    alone.prepare(task, 0)
    assert torch.equal(system.stage_one(dev.queries, 30).rows, alone.rank(dev.queries, 30).rows)
    assert losses == [set(), *[{"rerank"}] * 4]
    assert values[-1] > values[0] + 0.01
    beyond = system.rank(dev.queries, 40)
    assert torch.equal(beyond.rows[:, 20:], alone.rank(dev.queries, 40).rows[:, 20:])
    assert (beyond.scores[:, 1:] <= beyond.scores[:, :-1]).all()


def test_a_reranker_without_prior_and_gate_ranks_alone(task: Task) -> None:
    published = {"prior": False, "view": False, "initial": "default", "kind": "difference"}
    gated, ungated = (
        run(task, 1, first="raw", **{f"reranker.{name}": value for name, value in {**published, "gated": gate}.items()})
        for gate in (True, False)
    )
    assert gated[1][1] == gated[1][0], "one epoch is not enough to beat raw"
    assert ungated[1][1] < ungated[1][0] and not bool(gated[0].state()["second.reranks"])


def test_both_stages_are_judged_at_every_epoch(task: Task) -> None:
    training = new(task, first="raw")
    records = [training.start(), training.epoch(1)]
    for record in records:
        said = record.statistics
        assert said["stage_one.nDCG_at_10"] == pytest.approx(records[0].figures["all"]["nDCG@10"])
        assert said["pipeline.nDCG_at_10"] == pytest.approx(record.figures["all"]["nDCG@10"])
        assert said["pipeline"] == pytest.approx(said["kept"] + said["won"])
    assert records[0].statistics["won"] == records[0].statistics["lost"] == 0
    assert records[1].statistics["won"] > 0


@pytest.mark.parametrize("first", ["linear", "soft_attention"])
def test_a_first_stage_that_learns_by_epochs_learns_as_it_would_alone(task: Task, first: str) -> None:
    part = {"linear": "info_nce", "soft_attention": "attention"}[first]
    system, values, losses = run(task, 3, first=first)
    assert losses == [set(), {f"first.{part}"}, {f"first.{part}"}, {"rerank"}]
    alone = create(first, {"lr": 3e-3} if first == "linear" else {}, task.corpus)
    training = Training(alone, task, seed=0, epochs=2, measures=["nDCG@10"])
    training.start()
    figures = [training.epoch(number).figures["all"]["nDCG@10"] for number in (1, 2)]
    assert values[1:3] == pytest.approx(figures, abs=1e-9)


@pytest.mark.parametrize("stop", [1, 3])
def test_it_goes_on_as_if_undisturbed(task: Task, tmp_path: Path, stop: int) -> None:
    """Stopped while the first stage learns, and while the reranker does."""
    settings = {"first": "linear", "folds": 3}
    training = new(task, **settings)
    training.start()
    for number in range(1, stop + 1):
        record = training.epoch(number)
    checkpoint.save(tmp_path / "epoch", training, record)
    again = new(task, **settings)
    checkpoint.resume(tmp_path / "epoch", again)
    for number in range(stop + 1, 5):
        assert again.epoch(number).losses == training.epoch(number).losses
    assert all(torch.equal(value, again.system.state()[name]) for name, value in training.system.state().items())


def test_every_training_query_is_answered_by_a_copy_that_never_saw_it(task: Task) -> None:
    fits = CrossFit(lambda: create("memory", {}, task.corpus), task, 4, seed=1)
    first = create("memory", {}, task.corpus)
    lists = fits.lists(first, 5)
    assert lists.queries.tolist() == list(range(len(task.train)))
    vectors = torch.tensor(np.asarray(task.train.queries.vectors))
    for copy in fits.copies:
        known = copy.state()["queries"]
        assert len(known) == 1125
        held = [
            row
            for row in range(1500)
            if not bool((known == torch.nn.functional.normalize(vectors[row], dim=0)).all(1).any())
        ]
        answer = rank_split(copy, task.train.select(np.array(held)), 5)
        assert torch.equal(answer.rows, lists.rows[held])


def test_answers_to_its_own_queries_mislead_the_reranker(task: Task) -> None:
    """With one part the memory has been told what it is asked; the reranker then trusts it where it is wrong."""
    honest, told = (run(task, 4, folds=folds, **HOT)[1][-1] for folds in (5, 1))
    assert honest > told + 0.01


def test_the_first_stage_must_fit_the_task(task: Task) -> None:
    bare = dataclasses.replace(task, corpus=dataclasses.replace(task.corpus, texts=None))
    with pytest.raises(TaskError, match="first = bm25 cannot be the first stage: .*choose another"):
        create("cascade", {"first": "bm25"}, bare.corpus).prepare(bare, 0)


def test_it_stops_when_the_held_out_lists_say_so(task: Task) -> None:
    training = new(task, first="raw", **{"reranker.patience": 1, "reranker.lr": 0.05, "reranker.epochs": 30})
    training.start()
    losses = [bool(training.epoch(number).losses) for number in range(1, 16)]
    assert losses[0] and not losses[-1]
    assert losses == sorted(losses, reverse=True)
