from __future__ import annotations

import numpy as np
import pytest

from nvf.errors import TaskError
from nvf.tasks.assemble import assemble, judge, make_corpus
from nvf.tasks.base import Corpus, Judged, Qrels
from nvf.types import Queries


def corpus(dim: int = 3) -> Corpus:
    return make_corpus(["b", "a", "c"], np.eye(3, dim, dtype=np.float32) + np.float32(0.1))


def judged(count: int, start: int = 0, dim: int = 3) -> Judged:
    vectors = np.random.default_rng(start).standard_normal((count, dim)).astype(np.float32)
    ids = [f"q{start + row}" for row in range(count)]
    return Queries(ids, vectors), Qrels.from_triples(count, [(row, row % 3, 1) for row in range(count)])


def test_corpus_knows_order_and_length() -> None:
    assert corpus().order.tolist() == [1, 0, 2]
    assert not corpus().unit
    assert make_corpus(["x", "y"], np.eye(2, dtype=np.float32)).unit
    # by code point, as trec_eval compares names, whatever their length
    assert make_corpus(["d10", "d9", "D"], np.eye(3, dtype=np.float32)).order.tolist() == [1, 2, 0]


def test_bad_corpora_are_refused() -> None:
    with pytest.raises(TaskError, match="'x' stands at rows 0 and 2"):
        make_corpus(["x", "y", "x"], np.eye(3, dtype=np.float32))
    with pytest.raises(TaskError, match="the corpus is empty"):
        make_corpus([], np.zeros((0, 3), dtype=np.float32))


def test_judgements_by_row() -> None:
    qrels = judge([("q", "b", 2), ("r", "gone", 1), ("q", "a", 0)], ["r", "q"], {"a": 0, "b": 1})
    assert [[part.tolist() for part in qrels.of(row)] for row in range(2)] == [[[-1], [1]], [[0, 1], [0, 2]]]


def test_context_windows_are_queries_too() -> None:
    windows = np.random.default_rng(0).standard_normal((6, 4, 3)).astype(np.float32)
    parts = {
        name: (Queries([name], windows[row : row + 1]), judged(1)[1])
        for row, name in enumerate(("train", "dev", "test"))
    }
    task = assemble(name="windows", source={}, corpus=corpus(), splits=parts)
    assert task.train.queries.vectors.shape == (1, 4, 3)
    assert task.split("test").clean.tolist() == [True]


def test_clean_is_against_the_training_queries_that_remain() -> None:
    train, test = judged(20), judged(20, start=20)
    test[0].vectors[:] = train[0].vectors
    task = assemble(name="copies", source={}, corpus=corpus(), splits={"train": train, "test": test}, encoder="minilm")
    carved = {int(query.removeprefix("q")) for query in task.split("dev").queries.ids}
    assert len(carved) > 0
    assert set(np.flatnonzero(task.split("test").clean)) <= carved
    assert task.split("dev").clean.all()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train": judged(9)}, "the test split has no queries"),
        ({"dev": judged(9)}, "the test split has no queries"),
        ({"train": judged(9), "dev": judged(0), "test": judged(2)}, "the dev split has no queries"),
        ({"train": judged(9, dim=2), "test": judged(2)}, "train queries are 2 wide, but documents 3"),
    ],
)
def test_what_is_missing_is_named(parts: dict[str, Judged], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        assemble(name="incomplete", source={}, corpus=corpus(), splits=parts)


def test_test_alone_is_a_task_without_train_and_dev() -> None:
    task = assemble(name="alone", source={}, corpus=corpus(), splits={"test": judged(9)})
    assert {name: len(split) for name, split in task.splits.items()} == {"train": 0, "dev": 0, "test": 9}
    assert task.leaks == ()
    assert task.split("test").clean.all()
