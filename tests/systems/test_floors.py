"""raw, bm25, hybrid, oracle: what they must be, beyond the contract."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from nvf import tasks
from nvf.errors import TaskError
from nvf.measures.evaluate import evaluate
from nvf.systems import create
from nvf.systems.base import System
from nvf.systems.ranking import rank_split
from nvf.tasks.assemble import make_corpus
from nvf.tasks.base import Corpus, Task
from nvf.types import Queries


def success(system: System, task: Task) -> float:
    split = task.split("test")
    return evaluate(rank_split(system, split, 1), split, None, ["Success@1"]).figures["all"]["Success@1"]


def test_raw_is_the_cosine() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((9, 4)) * np.arange(1, 10)[:, None]).astype(np.float32)
    corpus = make_corpus([f"d{row}" for row in range(9)], vectors)
    asked = rng.standard_normal((5, 4)).astype(np.float32)
    found = create("raw", {}, corpus).rank(Queries([str(row) for row in range(5)], asked), 9)
    cosines = torch.nn.functional.cosine_similarity(torch.tensor(asked)[:, None], torch.tensor(vectors)[None], dim=-1)
    assert torch.equal(found.rows, cosines.argsort(dim=1, descending=True))
    assert torch.allclose(found.scores, cosines.sort(dim=1, descending=True).values, atol=1e-6)


def test_a_zero_vector_is_no_error() -> None:
    corpus = make_corpus(["a", "b"], np.array([[0, 0], [3, 4]], dtype=np.float32))
    found = create("raw", {}, corpus).rank(Queries(["q"], np.array([[1, 1]], dtype=np.float32)), 2)
    assert found.rows.tolist() == [[1, 0]] and found.scores[0, 1] == 0


def test_the_corpus_is_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.eye(4, dtype=np.float32))
    mapped = np.load(tmp_path / "v.npy", mmap_mode="c")
    system = create("raw", {}, make_corpus(list("abcd"), mapped))
    assert system.documents.vectors.data_ptr() == mapped.ctypes.data  # type: ignore[attr-defined]


@pytest.mark.parametrize("hidden", ["rotation", "anisotropic"])
def test_nothing_beats_the_oracle(hidden: str) -> None:
    options = {"source": "synthetic", "documents": 200, "dim": 32, "noise": 0.15, "anisotropy": 3.0}
    task = tasks.build({**options, "map": hidden, "train": 10, "dev": 10, "test": 2000})
    oracle = create("oracle", {}, task.corpus)
    oracle.prepare(task, 0)
    truth, precision = task.truth["map"].astype(np.float64), task.truth["precision"].astype(np.float64)
    images = np.asarray(task.corpus.vectors, dtype=np.float64) @ truth.T
    asked = np.asarray(task.split("test").queries.vectors, dtype=np.float64)[:100]
    posterior = -(((asked[:, None] - images) ** 2) * precision).sum(-1) / 2
    found = oracle.rank(task.split("test").queries, 1).rows[:100, 0]
    assert np.array_equal(found, posterior.argmax(1))
    assert success(create("raw", {}, task.corpus), task) < success(oracle, task) - 0.05


def test_the_oracle_needs_a_generator() -> None:
    task = tasks.build({"source": "synthetic", "documents": 20, "dim": 4, "train": 5, "dev": 5, "test": 5})
    reason = type(create("oracle", {}, task.corpus)).applies_to(dataclasses.replace(task, truth={}))
    assert reason is not None and "not generated" in reason


def words(texts: list[str]) -> Corpus:
    return make_corpus([f"d{row}" for row in range(len(texts))], np.eye(len(texts), dtype=np.float32), texts)


def test_bm25_stems_and_leaves_out_the_unmatched() -> None:
    system = create("bm25", {}, words(["the running dogs", "a cat", "dog dog dog runs", "bird"]))
    found = system.rank(Queries(["q", "r"], np.zeros((2, 4), np.float32), ["dogs that run", "unheard the"]), 4)
    assert sorted(found.rows[0].tolist()) == [-1, -1, 0, 2]
    assert found.rows[1].tolist() == [-1] * 4
    assert (found.scores[1] == -torch.inf).all()


def test_bm25_by_the_formula() -> None:
    texts = ["alpha beta", "alpha alpha gamma delta", "beta"]
    found = create("bm25", {"k1": 1.2, "b": 0.5}, words(texts)).rank(
        Queries(["q"], np.zeros((1, 3), np.float32), ["alpha"]), 2
    )
    idf, mean = np.log(1 + (3 - 2 + 0.5) / (2 + 0.5)), 7 / 3
    score = {row: idf * tf / (tf + 1.2 * (0.5 + 0.5 * length / mean)) for row, tf, length in ((0, 1, 2), (1, 2, 4))}
    assert found.rows[0].tolist() == sorted(score, key=score.__getitem__, reverse=True)
    assert found.scores[0].tolist() == pytest.approx(sorted(score.values(), reverse=True), rel=1e-5)


def test_bm25_says_what_it_lacks() -> None:
    with pytest.raises(TaskError, match="text of the queries"):
        create("bm25", {}, words(["a b"])).rank(Queries(["q"], np.zeros((1, 1), np.float32)), 1)
    bare = make_corpus(["d"], np.ones((1, 1), np.float32))
    with pytest.raises(TaskError, match="text of the documents"):
        create("bm25", {}, bare).rank(Queries(["q"], np.zeros((1, 1), np.float32), ["x"]), 1)


def test_hybrid_fuses_the_places_in_both_lists() -> None:
    corpus = make_corpus(["a", "b", "c", "d"], np.eye(4, dtype=np.float32), ["x", "apple pear", "apple", "x"])
    asked = Queries(["q", "r"], np.array([[4, 3, 1, 2], [0, 0, 0, 1]], np.float32), ["apple", "unheard"])
    found = create("hybrid", {}, corpus).rank(asked, 4)
    # by cosine a b d c, by words c b: a document that is in both lists counts twice
    worth = {0: 1 / 61, 1: 1 / 62 + 1 / 62, 3: 1 / 63, 2: 1 / 64 + 1 / 61}
    assert found.rows[0].tolist() == sorted(worth, key=worth.__getitem__, reverse=True) == [1, 2, 0, 3]
    assert found.scores[0].tolist() == pytest.approx(sorted(worth.values(), reverse=True), rel=1e-6)
    assert found.rows[1].tolist() == [3, 2, 1, 0], "no common word: the cosine alone, ties by id"
    shallow = create("hybrid", {"depth": 1, "k": 0}, corpus).rank(asked, 4)
    assert shallow.rows[0].tolist() == [2, 0, -1, -1], "each list's first: equal, so by id; the rest is in neither"
    assert shallow.scores[0, :2].tolist() == [1, 1] and (shallow.scores[0, 2:] == -torch.inf).all()


def test_hybrid_needs_both() -> None:
    task = tasks.build({"source": "synthetic", "documents": 20, "dim": 4, "train": 5, "dev": 5, "test": 5})
    reason = type(create("hybrid", {}, task.corpus)).applies_to(task)
    assert reason is not None and "has no text" in reason


@pytest.mark.data
def test_bm25_on_scifact(data_folder: Path) -> None:
    from nvf.tasks.beir import Beir  # noqa: F401 - the source must exist

    lines = _scifact(data_folder)
    assert 0.66 < lines < 0.69


def _scifact(data_folder: Path) -> float:
    """Return BM25's nDCG@10 on SciFact's test split, without encoding anything."""
    import json

    from nvf.tasks.base import Qrels, Split

    folder = data_folder / "beir" / "scifact"
    documents = [json.loads(line) for line in (folder / "corpus.jsonl").open(encoding="utf-8")]
    asked = {each["_id"]: each["text"] for each in map(json.loads, (folder / "queries.jsonl").open(encoding="utf-8"))}
    judged = [line.split("\t") for line in (folder / "qrels" / "test.tsv").read_text().splitlines()[1:]]
    ids = [each["_id"] for each in documents]
    rows, names = {each: row for row, each in enumerate(ids)}, list(dict.fromkeys(query for query, _, _ in judged))
    corpus = make_corpus(ids, np.ones((len(ids), 1), np.float32), [f"{e['title']} {e['text']}" for e in documents])
    triples = [(names.index(query), rows[document], int(grade)) for query, document, grade in judged]
    queries = Queries(names, np.ones((len(names), 1), np.float32), [asked[name] for name in names])
    own = np.full(len(names), -1)
    split = Split("test", queries, Qrels.from_triples(len(names), triples), np.ones(len(names), bool), own)
    ranking = rank_split(create("bm25", {}, corpus), split, 10)
    return evaluate(ranking, split, None, ["nDCG@10"]).figures["all"]["nDCG@10"]
