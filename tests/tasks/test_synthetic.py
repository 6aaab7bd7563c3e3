from __future__ import annotations

import numpy as np
import pytest

from nvf import tasks
from nvf.params import make
from nvf.tasks.base import Split, Task
from nvf.tasks.synthetic import SyntheticParams, clusters
from nvf.types import FloatArray


def build(**options: object) -> Task:
    return tasks.build({"source": "synthetic", "train": 0, **options})


def top1(split: Split, scores: FloatArray) -> float:
    return float((scores.argmax(axis=1) == split.qrels.rows).mean())


def raw(task: Task) -> float:
    test = task.split("test")
    return top1(test, test.queries.vectors @ task.corpus.vectors.T)


def bayes(task: Task) -> float:
    """The log-posterior, written out: -(q - M d)^T P (q - M d) / 2."""
    test, precision = task.split("test"), task.truth["precision"].astype(np.float64)
    mapped = task.corpus.vectors.astype(np.float64) @ task.truth["map"].T
    query = test.queries.vectors.astype(np.float64)
    squares = (query**2 @ precision)[:, None] - 2 * (query * precision) @ mapped.T + (mapped**2 @ precision)[None]
    return top1(test, -squares / 2)


@pytest.mark.parametrize(("corpus", "figure"), [("uniform", 0.991), ("clustered", 0.990)])
def test_raw_is_bayes_without_a_map(corpus: str, figure: float) -> None:
    task = build(corpus=corpus)
    assert raw(task) == bayes(task) == pytest.approx(figure, abs=0.007)


def test_a_rotation_hides_the_answer_from_raw_but_not_from_bayes() -> None:
    task = build(map="rotation")
    assert raw(task) < 0.01
    assert bayes(task) == pytest.approx(0.991, abs=0.007)
    np.testing.assert_allclose(task.truth["map"] @ task.truth["map"].T, np.eye(128), atol=1e-5)


def test_anisotropic_noise_is_worth_knowing() -> None:
    task = build(map="anisotropic", noise=0.13)
    assert raw(task) < 0.7
    assert bayes(task) > 0.95
    deviations, counts = np.unique(np.round(task.truth["precision"].astype(np.float64) ** -0.5, 5), return_counts=True)
    assert (deviations.tolist(), counts.tolist()) == ([0.13, 0.52], [96, 32])


def test_clusters_are_equal_or_uneven() -> None:
    def within(task: Task) -> FloatArray:
        vectors = task.corpus.vectors.reshape(10, 100, 64)
        return np.einsum("cnd,cmd->c", vectors, vectors) / 100**2

    even = within(build(corpus="clustered", clusters=10, dim=64, spread=0.05))
    assert even.std() < 0.02
    uneven = build(corpus="clustered", clusters=10, dim=64, spread=0.05, balance="uneven")
    cosines = uneven.corpus.vectors @ uneven.corpus.vectors.T
    sizes = (cosines > 0.4).sum(axis=1)
    assert sizes.max() > 3 * sizes.min()


@pytest.mark.parametrize("balance", ["even", "uneven"])
def test_the_clusters_are_those_the_documents_were_drawn_from(balance: str) -> None:
    options = {"corpus": "clustered", "spread": 0.03, "balance": balance, "seed": 5}
    labels, vectors = clusters(make(SyntheticParams, options)), build(**options).corpus.vectors
    means = np.stack([vectors[labels == each].mean(axis=0) for each in np.unique(labels)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    assert (np.unique(labels)[(vectors @ means.T).argmax(axis=1)] == labels).mean() > 0.98
    assert not clusters(make(SyntheticParams, {"corpus": "uniform"})).any()


def test_seed_decides_everything_and_splits_are_drawn_apart() -> None:
    small = {"documents": 50, "dim": 8, "train": 30, "dev": 30, "test": 30}
    assert build(**small).fingerprint == build(**small).fingerprint != build(**small, seed=1).fingerprint
    task = build(**small)
    assert not np.array_equal(task.train.qrels.rows, task.split("test").qrels.rows)
    assert (
        build(**{**small, "train": 10}).split("test").queries.vectors.tobytes()
        == task.split("test").queries.vectors.tobytes()
    )
