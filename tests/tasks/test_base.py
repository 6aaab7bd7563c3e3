"""Judgements in compressed rows, and the documents that are withheld from training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvf.errors import TaskError
from nvf.tasks.base import Corpus, Qrels, Split, Task
from nvf.types import Queries

DOCUMENTS = 12


def make_split(name: str, qrels: Qrels) -> Split:
    count = len(qrels)
    queries = Queries(
        [f"{name}{row}" for row in range(count)], np.arange(count, dtype=np.float32)[:, None], ["?"] * count
    )
    return Split(name, queries, qrels, np.arange(count) % 2 == 0, np.arange(count) - 1)


def make_task(train: Qrels, test: Qrels | None = None) -> Task:
    ids = [f"d{row}" for row in range(DOCUMENTS)]
    corpus = Corpus(ids, np.eye(DOCUMENTS, dtype=np.float32), np.arange(DOCUMENTS, dtype=np.int32), unit=True)
    splits = {"train": make_split("train", train), "test": make_split("test", test or Qrels.from_triples(0, []))}
    return Task("tiny", {}, corpus, splits, threshold=0.85)


def triples(qrels: Qrels) -> list[tuple[int, int, int]]:
    return list(zip(qrels.query_rows.tolist(), qrels.rows.tolist(), qrels.grades.tolist(), strict=True))


@st.composite
def judgements(draw: st.DrawFn) -> tuple[int, list[tuple[int, int, int]]]:
    queries = draw(st.integers(0, 5))
    if queries == 0:
        return 0, []
    inside = st.tuples(st.integers(0, queries - 1), st.integers(0, DOCUMENTS - 1), st.integers(-1, 2))
    outside = st.tuples(st.integers(0, queries - 1), st.just(-1), st.integers(0, 2))
    return queries, draw(st.lists(inside, unique_by=lambda t: t[:2])) + draw(st.lists(outside, max_size=3))


@given(judgements())
def test_triples_come_back_in_order(case: tuple[int, list[tuple[int, int, int]]]) -> None:
    queries, given_triples = case
    qrels = Qrels.from_triples(queries, given_triples)
    assert len(qrels) == queries
    assert sorted(triples(qrels)) == sorted(given_triples)
    assert [t[:2] for t in triples(qrels)] == sorted(t[:2] for t in given_triples)
    assert qrels.missing == sum(row < 0 for _, row, _ in given_triples)
    for query in range(queries):
        rows, grades = qrels.of(query)
        assert sorted(zip(rows, grades, strict=True)) == sorted(t[1:] for t in given_triples if t[0] == query)


@given(judgements(), st.data())
def test_select_takes_queries_in_any_order(case: tuple[int, list[tuple[int, int, int]]], data: st.DataObject) -> None:
    qrels = Qrels.from_triples(*case)
    wanted = data.draw(st.lists(st.integers(0, len(qrels) - 1))) if len(qrels) else []
    selected = qrels.select(np.array(wanted, dtype=np.int64))
    assert len(selected) == len(wanted)
    for place, query in enumerate(wanted):
        for found, expected in zip(selected.of(place), qrels.of(query), strict=True):
            assert found.tolist() == expected.tolist()


@given(judgements(), st.lists(st.booleans(), min_size=DOCUMENTS, max_size=DOCUMENTS))
def test_relevant_and_among_keep_what_they_say(case: tuple[int, list[tuple[int, int, int]]], mask: list[bool]) -> None:
    qrels = Qrels.from_triples(*case)
    assert sorted(triples(qrels.relevant())) == sorted(t for t in case[1] if t[2] > 0 and t[1] >= 0)
    assert sorted(triples(qrels.among(np.array(mask)))) == sorted(t for t in case[1] if t[1] >= 0 and mask[t[1]])
    assert len(qrels.relevant()) == len(qrels)


def test_split_select_moves_everything_together() -> None:
    split = make_split("dev", Qrels.from_triples(3, [(0, 5, 1), (1, 6, 1), (2, 7, 2), (2, 8, 1)]))
    found = split.select(np.array([2, 0]))
    assert found.queries.ids == ["dev2", "dev0"]
    assert found.queries.vectors.tolist() == [[2.0], [0.0]]
    assert triples(found.qrels) == [(0, 7, 2), (0, 8, 1), (1, 5, 1)]
    assert found.clean.tolist() == [True, True]
    assert found.own.tolist() == [1, -1]


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(TaskError, match="no split 'dev'; it has train, test"):
        make_task(Qrels.from_triples(0, [])).split("dev")


TRAIN = Qrels.from_triples(
    6,
    [*((query, 2 * query, 1) for query in range(5)), (0, 2, 2), (1, 11, 0), (1, -1, 1), (5, -1, 1), (2, 3, -1)],
)
JUDGED = {0, 2, 4, 6, 8}
"""Documents judged relevant in training; 3 and 11 are judged, but not relevant."""


@pytest.mark.parametrize("seed", range(5))
def test_withheld_documents_leave_training(seed: int) -> None:
    task = make_task(TRAIN)
    cold = task.withhold(0.4, seed)
    assert cold.cold is not None
    withheld = {row for row in JUDGED if cold.cold[row]}
    assert len(withheld) == 2
    assert set(np.flatnonzero(cold.cold)) == withheld | (set(range(DOCUMENTS)) - JUDGED)
    kept = [query for query in range(5) if set(TRAIN.relevant().of(query)[0].tolist()) - withheld]
    assert cold.train.queries.ids == [f"train{query}" for query in kept]
    expected = [(kept.index(q), row, grade) for q, row, grade in triples(TRAIN) if q in kept and row not in withheld]
    assert triples(cold.train.qrels) == expected
    assert cold.split("test") is task.split("test")
    assert task.cold is None
    assert len(task.train) == 6


def test_withholding_depends_on_its_seed_alone() -> None:
    task = make_task(TRAIN)
    draws = [task.withhold(0.4, seed).cold.tolist() for seed in range(8)]
    assert draws == [task.withhold(0.4, seed).cold.tolist() for seed in range(8)]
    assert len({tuple(draw) for draw in draws}) > 1


def test_withholding_nothing_gives_the_task_itself() -> None:
    task = make_task(TRAIN)
    assert task.withhold(0.0, 3) is task


def test_withholding_everything_leaves_no_training() -> None:
    cold = make_task(TRAIN).withhold(1.0, 0)
    assert len(cold.train) == 0
    assert cold.cold is not None
    assert cold.cold.all()


def test_a_task_without_training_queries_is_all_cold() -> None:
    cold = make_task(Qrels.from_triples(0, [])).withhold(0.2, 0)
    assert len(cold.train) == 0
    assert cold.cold is not None
    assert cold.cold.all()
