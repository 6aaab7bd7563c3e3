"""memory: cosine plus what similar training queries were answered with, spread to similar documents."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from nvf import tasks
from nvf.diagnostics.burial import buries_new_documents
from nvf.errors import ParamsError, TaskError
from nvf.systems import create
from nvf.tasks.base import Qrels, Task
from nvf.training.loop import Training
from nvf.types import Figures, Queries

ALONE = {"diffusion": False}


@pytest.fixture(scope="module")
def task() -> Task:
    """Queries that come from elsewhere than the documents: only what was judged tells where they go."""
    options = {"source": "synthetic", "documents": 60, "dim": 12, "noise": 0.1, "map": "rotation"}
    return tasks.build({**options, "train": 600, "dev": 200, "test": 30})


@pytest.fixture(scope="module")
def judged(task: Task) -> Task:
    """The task with two training queries: the first is answered by rows 5 and 9, the second by row 5, better."""
    qrels = Qrels.from_triples(2, [(0, 5, 1), (0, 9, 1), (1, 5, 2)])
    train = dataclasses.replace(task.train.select(np.arange(2)), qrels=qrels)
    return dataclasses.replace(task, splits={**task.splits, "train": train})


def scores(task: Task, queries: Queries, **params: object) -> torch.Tensor:
    """Return the score (Q, N) of every document."""
    system = create("memory", params, task.corpus)
    system.prepare(task, 0)
    ranking = system.rank(queries, len(task.corpus))
    return torch.empty_like(ranking.scores).scatter_(1, ranking.rows, ranking.scores)


@pytest.mark.parametrize("discount, graded", [(0.0, [[1.0, 1.0], [2.0, 0.0]]), (1.0, [[0.5, 0.5], [1.0, 0.0]])])
def test_by_the_formula(judged: Task, discount: float, graded: list[list[float]]) -> None:
    queries = judged.split("dev").queries
    asked, held = (functional.normalize(torch.tensor(np.array(q.vectors))) for q in (queries, judged.train.queries))
    cosines = asked @ functional.normalize(torch.tensor(np.array(judged.corpus.vectors))).T
    expected = cosines.clone()
    attention = torch.softmax(asked @ held.T / 0.1, dim=1)
    expected[:, [5, 9]] += 0.7 * attention @ torch.tensor(graded)
    found = scores(judged, queries, temperature=0.1, weight=0.7, discount=discount, diffusion=False)
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_ridge_by_the_formula(judged: Task) -> None:
    queries = judged.split("dev").queries
    asked, held = (functional.normalize(torch.tensor(np.array(q.vectors))) for q in (queries, judged.train.queries))
    kernel, near = (((each @ held.T - 1) / 0.5).exp() for each in (held, asked))
    weights = torch.linalg.solve(kernel + 0.2 * torch.eye(2), near.T).T
    expected = scores(judged, queries, weight=0)
    expected[:, [5, 9]] += 0.7 * weights @ torch.tensor([[1.0, 1.0], [2.0, 0.0]])
    ridge = {"recall": "ridge", "ridge.temperature": 0.5, "ridge.penalty": 0.2}
    assert torch.allclose(scores(judged, queries, weight=0.7, diffusion=False, **ridge), expected, atol=1e-5)


def test_a_restored_ridge_answers_alike(worded: Task) -> None:
    params = {"recall": "ridge", "lexical": 0.3}
    first, second = (create("memory", params, worded.corpus) for _ in range(2))
    first.prepare(worded, 0)
    second.load_state(first.state())
    found, again = (system.rank(worded.split("dev").queries, 60) for system in (first, second))
    assert torch.equal(found.rows, again.rows) and torch.equal(found.scores, again.scores)


def test_a_ridge_is_not_learned_further(task: Task) -> None:
    with pytest.raises(ParamsError, match=r"learning.epochs = 3 with recall = ridge"):
        create("memory", {"recall": "ridge", "learning.epochs": 3}, task.corpus)


@pytest.fixture(scope="module")
def worded(judged: Task) -> Task:
    """The task with texts: the first dev query has a word of rows 5 and 6, all others have words of no document."""
    texts = [f"thing{row}" for row in range(60)]
    texts[5], texts[6] = "red apples", "apples apples green pears"
    dev, train = judged.split("dev"), judged.train
    asked = dataclasses.replace(dev.queries, texts=["an apple", *["nothing"] * (len(dev) - 1)])
    splits = {
        "dev": dataclasses.replace(dev, queries=asked),
        "train": dataclasses.replace(train, queries=dataclasses.replace(train.queries, texts=["pears", "things"])),
    }
    corpus = dataclasses.replace(judged.corpus, texts=texts)
    return dataclasses.replace(judged, corpus=corpus, splits={**judged.splits, **splits})


def test_words_count_in_parts_of_the_best(worded: Task) -> None:
    queries = worded.split("dev").queries
    added = scores(worded, queries, lexical=0.4) - scores(worded, queries)
    found = create("bm25", {}, worded.corpus).rank(queries.select(np.arange(1)), 2)
    assert sorted(found.rows[0].tolist()) == [5, 6]
    expected = torch.zeros_like(added)
    expected[0, found.rows[0]] = 0.4 * found.scores[0] / found.scores[0, 0]
    assert torch.allclose(added, expected, atol=1e-5)


def test_words_count_in_what_is_learned(worded: Task) -> None:
    def loss(lexical: float) -> float:
        system = create("memory", {"lexical": lexical, "weight": 0}, worded.corpus)
        system.prepare(worded, 0)
        (batch,) = system.batches(1)
        return system.losses(batch)["info_nce"].item()

    assert loss(5) > loss(0) + 1  # the one word that a training query shares is with another document than its answer


def test_words_need_text(task: Task) -> None:
    with pytest.raises(TaskError, match="BM25 needs the text of the queries"):
        scores(task, task.split("dev").queries, lexical=0.3)


def test_diffusion_gives_every_document_a_part(judged: Task) -> None:
    queries = judged.split("dev").queries
    raw = scores(judged, queries, weight=0)
    found = scores(judged, queries, weight=0.5, temperature=1, document_temperature=0.3) - raw
    alone = scores(judged, queries, weight=0.5, temperature=1, diffusion=False) - raw
    assert (found > 1e-6).all()
    assert (alone.abs() > 1e-6).any(dim=0).nonzero().squeeze(1).tolist() == [5, 9]
    # each of the two is the other's only neighbour, so that a share of 1/2 gives both the mean
    assert torch.allclose(found[:, [5, 9]], alone[:, [5, 9]].mean(dim=1, keepdim=True), atol=1e-5)


def test_no_weight_is_raw(task: Task) -> None:
    queries = task.split("dev").queries
    raw = create("raw", {}, task.corpus).rank(queries, 60)
    expected = torch.empty_like(raw.scores).scatter_(1, raw.rows, raw.scores)
    assert torch.allclose(scores(task, queries, weight=0), expected, atol=1e-6)


def test_the_cosine_is_that_of_nudged_documents(task: Task) -> None:
    queries = task.split("dev").queries
    system = create("nudge", {"gamma": 0.8}, task.corpus)
    system.prepare(task, 0)
    ranking = system.rank(queries, 60)
    expected = torch.empty_like(ranking.scores).scatter_(1, ranking.rows, ranking.scores)
    assert torch.allclose(scores(task, queries, **{"weight": 0, "nudge.gamma": 0.8}), expected, atol=1e-6)


def test_it_remembers_but_buries_what_was_not_judged(task: Task) -> None:
    def run(params: dict[str, object], share: float) -> Training:
        system = create("memory", params, task.corpus)
        return Training(system, task.withhold(share, 0), seed=0, epochs=9, measures=["RR@10"])

    raw, healthy, buried = (
        run(*setting).start() for setting in (({"weight": 0}, 0.2), ({"weight": 3}, 0), ({"weight": 3, **ALONE}, 0.2))
    )
    assert healthy.figures["all"]["RR@10"] > raw.figures["all"]["RR@10"] + 0.3
    assert buries_new_documents(healthy.figures, raw.figures, "RR@10") == []
    assert buries_new_documents(buried.figures, raw.figures, "RR@10")


def test_what_is_learned_starts_at_the_closed_form_and_gains(task: Task) -> None:
    system = create("memory", {"learning.epochs": 6, "learning.lr": 5e-3, "learning.scalar_lr": 1e-2}, task.corpus)
    training = Training(system, task, seed=0, epochs=9, measures=["RR@10"])
    start = training.start()
    closed = Training(create("memory", {}, task.corpus), task, seed=0, epochs=9, measures=["RR@10"])
    assert closed.epochs == 0 and closed.start().figures == start.figures
    assert training.epochs == 6
    last = [training.epoch(number) for number in range(1, 7)][-1]
    assert last.figures["all"]["RR@10"] > start.figures["all"]["RR@10"] + 0.05
    fixed = create("memory", {}, task.corpus)
    fixed.prepare(task, 0)
    state, before = system.state(), fixed.state()
    held = {"queries", "documents", "pairs", "grades"}
    assert all(torch.equal(state[name], before[name]) == (name in held) for name in state)


def test_a_query_does_not_learn_from_its_own_answers(judged: Task) -> None:
    """With two training queries, each asks the other alone: which of the two it resembles makes no difference."""
    system = create("memory", {"weight": 1, "temperature": 0.01}, judged.corpus)
    system.prepare(judged, 0)
    with torch.no_grad():
        system.parameter_groups()[1]["params"][0].fill_(0.0)  # the attention's temperature is 1 now
        (batch,) = system.batches(1)
        warm = system.losses(batch)["info_nce"]
        system.parameter_groups()[1]["params"][0].fill_(-4.0)
        assert torch.equal(system.losses(batch)["info_nce"], warm)


@pytest.mark.data
def test_on_nfcorpus_it_gains_on_all_and_keeps_the_cold_ones(data_folder: object) -> None:
    vectors = f"{data_folder}/embeddings/minilm-256/nfcorpus"
    options = {"source": "beir", "path": f"{data_folder}/beir/nfcorpus", "encoder": "minilm", "vectors": vectors}
    nfcorpus = tasks.build(options).withhold(0.2, 0)

    def figures(name: str, params: dict[str, object]) -> Figures:
        system = create(name, params, nfcorpus.corpus)
        return Training(system, nfcorpus, seed=0, epochs=0, measures=["nDCG@10"]).start().figures

    raw, spread, alone = figures("raw", {}), figures("memory", {}), figures("memory", ALONE)
    floor, some, most = (found["all"]["nDCG@10"] for found in (raw, spread, alone))
    assert most > some > floor + 0.03
    assert buries_new_documents(spread, raw, "nDCG@10") == []
    assert buries_new_documents(alone, raw, "nDCG@10")
    hybrid = figures("memory", {"weight": 0, "lexical": 0.3})
    ridge = figures("memory", {"recall": "ridge", "weight": 1, "lexical": 0.3, "self_share": 1, "novelty": 1.3})
    for view in ("all", "cold"):
        assert ridge[view]["nDCG@10"] > hybrid[view]["nDCG@10"] + 0.015 > raw[view]["nDCG@10"] + 0.02
