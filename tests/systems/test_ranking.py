"""Rankings of a split by hand: a query's own document leaves, and from what may be learned from, the withheld too."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from nvf.systems import ranking
from nvf.systems.ranking import rank_candidates, rank_in_blocks, rank_split
from nvf.tasks.base import Qrels, Split
from nvf.types import Queries, Ranking

SCORES = np.array([[5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5], [3, 5, 4, 1, 2, 0]], dtype=np.float32)
"""Of three queries and six documents; a query's vector is its row of scores."""
ORDER = torch.arange(6)


def split(own: list[int], withheld: list[tuple[int, int, int]] | None = None) -> Split:
    queries = Queries(["a", "b", "c"], SCORES)
    kept = None if withheld is None else Qrels.from_triples(3, withheld)
    return Split("train", queries, Qrels.from_triples(3, []), np.ones(3, bool), np.array(own), kept)


def rank(queries: Queries, k: int) -> Ranking:
    return rank_in_blocks(queries, k, ORDER, lambda block: torch.from_numpy(np.asarray(block.vectors)))


def rows(of: Ranking) -> list[list[int]]:
    return of.rows.tolist()


def test_a_querys_own_document_leaves_and_the_next_moves_up() -> None:
    system: Any = SimpleNamespace(rank=rank)
    assert rows(rank_split(system, split([-1, -1, -1]), 2)) == [[0, 1], [5, 4], [1, 2]]
    assert rows(rank_split(system, split([0, -1, 2]), 2)) == [[1, 2], [5, 4], [1, 0]]


@pytest.mark.parametrize(
    ("own", "withheld", "expected"),
    [
        ([-1, -1, -1], None, [[0, 1], [5, 4], [1, 2]]),
        ([0, -1, -1], None, [[1, 2], [5, 4], [1, 2]]),
        ([-1, -1, -1], [], [[0, 1], [5, 4], [1, 2]]),
        ([-1, -1, -1], [(0, 1, 1), (1, 5, 2), (1, 4, 1), (1, 0, 1)], [[0, 2], [3, 2], [1, 2]]),
        ([0, -1, 1], [(0, 1, 1), (0, 2, 1), (2, 2, 1)], [[3, 4], [5, 4], [0, 4]]),
        ([-1, -1, -1], [(2, 1, 0)], [[0, 1], [5, 4], [1, 2]]),  # what was judged irrelevant is known
    ],
)
def test_what_is_withheld_from_a_query_is_no_candidate_of_it(
    own: list[int], withheld: list[tuple[int, int, int]] | None, expected: list[list[int]]
) -> None:
    assert rows(rank_candidates(rank, split(own, withheld), 2)) == expected


@pytest.mark.parametrize("block", [1, 2, 3, 256])
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(ranking, "BLOCK", block)
    found = rank(Queries(["a", "b", "c"], SCORES), 9)
    assert rows(found) == [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [1, 2, 0, 4, 3, 5]]
    assert found.scores[:, 0].tolist() == [5, 5, 5]
    assert rank(Queries([], SCORES[:0]), 4).rows.shape[0] == 0, "no query is no error"
