"""Exact search: trec_eval's order everywhere, ties among equal vectors, blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nvf.indexes import exact
from nvf.indexes.exact import search, top_k, twins

SCORES = st.sampled_from([-1.5, -0.0, 0.0, 0.25, 0.5, 1.0, float("-inf"), float("nan")])


@st.composite
def score_tables(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, int]:
    documents = draw(st.integers(1, 9))
    table = draw(st.lists(st.lists(SCORES, min_size=documents, max_size=documents), min_size=1, max_size=4))
    order = draw(st.permutations(range(documents)))
    return torch.tensor(table), torch.tensor(order, dtype=torch.int32), draw(st.integers(1, documents + 2))


@given(score_tables())
@settings(max_examples=300, deadline=None)
def test_top_k_equals_a_plain_sort(case: tuple[torch.Tensor, torch.Tensor, int]) -> None:
    table, order, k = case
    scores, rows = top_k(table, k, order)
    assert rows.dtype == torch.int64
    for row, found, at in zip(table.tolist(), scores.tolist(), rows.tolist(), strict=True):
        clean = [float("-inf") if value != value else value for value in row]
        best = sorted(range(len(row)), key=lambda i: (clean[i], order[i]), reverse=True)[:k]
        assert found == [clean[i] for i in best]
        assert at == [i if clean[i] > float("-inf") else -1 for i in best]


def test_top_k_leaves_the_scores_alone() -> None:
    table = torch.tensor([[1.0, float("nan"), 1.0, 1.0]])
    top_k(table, 2, torch.arange(4))
    assert table.isnan().tolist() == [[False, True, False, False]]


def test_twins_are_the_later_copies_only() -> None:
    documents = torch.tensor([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [0.5, 0.5], [2.0, 1.0], [1.0, 2.0]])
    again, first = twins(documents)
    assert sorted(zip(again.tolist(), first.tolist(), strict=True)) == [(2, 0), (4, 1), (5, 0)]


def test_twins_are_not_fooled_by_equal_sums() -> None:
    again, first = twins(torch.eye(64))  # the bits of every row have the same sum
    assert len(again) == len(first) == 0


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("documents", [19, 37, 1001])
@pytest.mark.parametrize("queries", [1, 2, 9, 33])
def test_equal_vectors_tie_exactly(threads: int, documents: int, queries: int) -> None:
    generator = torch.Generator().manual_seed(documents)
    vectors = torch.randn(documents, 384, generator=generator)
    vectors[-documents // 3 :] = vectors[: -(-documents // 3)]
    asked = torch.randn(queries, 384, generator=generator)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ranking = search(asked, vectors, documents, torch.arange(documents))
    finally:
        torch.set_num_threads(before)
    by_row = torch.empty_like(ranking.scores).scatter_(1, ranking.rows, ranking.scores)
    assert torch.equal(by_row[:, -documents // 3 :], by_row[:, : -(-documents // 3)])


def test_search_in_blocks_equals_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    queries, documents = torch.randn(50, 16, generator=generator), torch.randn(200, 16, generator=generator)
    scale = 1 / documents.norm(dim=1)
    whole = search(queries, documents, 7, torch.arange(200), scale)
    monkeypatch.setattr(exact, "BLOCK", 1600)
    parts = search(queries, documents, 7, torch.arange(200), scale)
    assert torch.equal(whole.rows, parts.rows)
    torch.testing.assert_close(whole.scores, parts.scores)
    cosines = np.asarray(queries) @ np.asarray(documents / documents.norm(dim=1, keepdim=True)).T
    np.testing.assert_array_equal(whole.rows.numpy(), np.argsort(-cosines, axis=1)[:, :7])


def test_search_for_no_query_gives_no_row() -> None:
    ranking = search(torch.empty(0, 4), torch.ones(3, 4), 2, torch.arange(3))
    assert ranking.scores.shape == ranking.rows.shape == (0, 2)


def test_search_takes_a_small_corpus() -> None:
    ranking = search(torch.ones(1, 4), torch.ones(3, 4), 10, torch.tensor([1, 2, 0]))
    assert ranking.rows.tolist() == [[1, 0, 2]]
