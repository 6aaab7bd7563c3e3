"""fused: what its scores are, and what it refuses."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from nvf import tasks
from nvf.errors import TaskError
from nvf.systems import create
from nvf.tasks.assemble import make_corpus
from nvf.tasks.base import Corpus, Task
from nvf.types import Queries

TEXTS = ["apple pear", "apple", "apple apple plum and plum", "plum", "cherry"]
VECTORS = np.array([[3, 1, 0], [1, 2, 2], [0, 1, 1], [2, 0, 1], [1, 1, 1]], dtype=np.float32)
ASKED = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)
QUESTIONS = ["apple", "plum pear", "unheard"]


@pytest.fixture
def corpus() -> Corpus:
    return make_corpus(list("abcde"), VECTORS, TEXTS)


def by_numpy(normalisation: str, weight: float, k1: float, b: float) -> np.ndarray[Any, Any]:
    """The sums as the docstring has them, in float64, BM25 by the formula."""
    cosines = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True) @ ASKED.T.astype(np.float64)
    documents = [text.replace("and ", "").split() for text in TEXTS]
    mean = np.mean([len(words) for words in documents])
    lexical = np.zeros((len(TEXTS), len(QUESTIONS)))
    for column, question in enumerate(QUESTIONS):
        for word in question.split():
            containing = sum(word in words for words in documents)
            idf = np.log(1 + (len(documents) - containing + 0.5) / (containing + 0.5))
            for row, words in enumerate(documents):
                tf = words.count(word)
                lexical[row, column] += idf * tf / (tf + k1 * (1 - b + b * len(words) / mean))

    def normalised(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        low, high, sd = scores.min(0), scores.max(0), scores.std(0)
        if normalisation == "min_max":
            return (scores - low) / np.where(high > low, high - low, 1)
        return (scores - scores.mean(0)) / np.where(sd > 0, sd, 1)

    if normalisation == "max":
        high = lexical.max(0)
        return (cosines + weight * lexical / np.where(high > 0, high, 1)).T
    return (normalised(cosines) + weight * normalised(lexical)).T


@pytest.mark.parametrize("normalisation", ["max", "min_max", "z"])
@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_the_sum_by_numpy(corpus: Corpus, normalisation: str, weight: float) -> None:
    params = {"normalisation": normalisation, "weight": weight, "k1": 0.9, "b": 0.4}
    found = create("fused", params, corpus).rank(Queries(["q", "r", "s"], ASKED, QUESTIONS), 5)
    scores = torch.empty(3, 5).scatter_(1, found.rows, found.scores)
    expected = by_numpy(normalisation, weight, 0.9, 0.4)
    assert scores.numpy() == pytest.approx(expected, abs=1e-5)
    assert found.rows[0].tolist() == list(np.argsort(-expected[0]))


def test_equal_documents_are_tied_by_id() -> None:
    corpus = make_corpus(["a", "c", "b"], np.array([[3, 4], [3, 4], [0, 1]], np.float32), ["x y", "x y", "z z"])
    for normalisation in ("max", "min_max", "z"):
        found = create("fused", {"normalisation": normalisation}, corpus).rank(
            Queries(["q"], np.array([[1, 0]], np.float32), ["unheard"]), 2
        )
        assert found.rows.tolist() == [[1, 0]] and found.scores[0, 0] == found.scores[0, 1]


def test_a_corpus_without_a_word_is_ranked_by_its_vectors() -> None:
    corpus = make_corpus(["a", "b"], np.eye(2, dtype=np.float32), ["", "the"])
    asked = Queries(["q"], np.array([[0, 1]], np.float32), ["apple"])
    assert create("fused", {}, corpus).rank(asked, 2).rows.tolist() == [[1, 0]]
    assert create("bm25", {}, corpus).rank(asked, 2).rows.tolist() == [[-1, -1]]


def test_identifiers_are_taken_apart() -> None:
    texts = ["call fit_transform", "a TfidfVectorizer", "HTTPServer of URLs", "vectorize", "fit to order"]
    corpus = make_corpus(list("abcde"), np.eye(5, dtype=np.float32), texts)
    asked = Queries(list("qrstu"), np.zeros((5, 5), np.float32), ["transform", "vectorizers", "server", "urls", "Fit"])

    def found(tokeniser: str) -> list[list[int]]:
        ranking = create("fused", {"tokeniser": tokeniser}, corpus).rank(asked, 5)
        return [sorted(rows[scores > 0].tolist()) for rows, scores in zip(ranking.rows, ranking.scores, strict=True)]

    assert found("identifiers") == [[0], [1, 3], [2], [2], [0, 4]]
    assert found("words") == [[], [3], [], [2], [4]], "the stem of vectorize and vectorizers is one"


def test_another_corpus_has_its_own_words(corpus: Corpus) -> None:
    asked = Queries(["q"], ASKED[:1], ["cherry"])
    other = make_corpus(list("abcde"), VECTORS, TEXTS[::-1])
    for one, row in ((corpus, 4), (other, 0), (corpus, 4)):
        for tokeniser in ("words", "identifiers"):
            params = {"weight": 9.0, "tokeniser": tokeniser}
            assert create("fused", params, one).rank(asked, 1).rows.tolist() == [[row]]


def test_what_is_not_trained_has_no_epochs(corpus: Corpus) -> None:
    assert create("fused", {}, corpus).epochs(7) == 0
    assert create("fused", {"dense": "linear"}, corpus).epochs(7) == 7


def test_a_head_untrained_is_the_raw_encoder(corpus: Corpus) -> None:
    asked = Queries(["q", "r", "s"], ASKED, QUESTIONS)
    head = create("fused", {"dense": "linear"}, corpus)
    head.load_state({name: torch.zeros_like(value) for name, value in head.state().items()})
    raw = create("fused", {}, corpus).rank(asked, 5)
    assert torch.equal(head.rank(asked, 5).rows, raw.rows)
    assert torch.allclose(head.rank(asked, 5).scores, raw.scores, atol=1e-6)


def test_it_needs_vectors_words_and_for_a_head_training_queries() -> None:
    bare: Task = tasks.build({"source": "synthetic", "documents": 20, "dim": 4, "train": 5, "dev": 5, "test": 5})
    fused = create("fused", {"dense": "linear"}, bare.corpus)
    assert "has no text" in (fused.applies_to(bare) or "")
    empty = bare.split("train").select(np.array([], dtype=np.int64))
    untaught = dataclasses.replace(bare, splits={**bare.splits, "train": empty})
    with pytest.raises(TaskError, match="no training queries; use dense = raw"):
        fused.prepare(untaught, 0)
    with pytest.raises(TaskError, match="text of the queries"):
        fused.rank(bare.split("dev").queries, 3)
