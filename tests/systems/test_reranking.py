"""Two stages make one list: the candidates in their new order above the rest, and what ties goes by id."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nvf.systems.raw import Params
from nvf.systems.reranking import RerankSystem
from nvf.tasks.assemble import make_corpus
from nvf.tasks.base import Task
from nvf.types import Queries, Ranking

IDS = ["a", "b", "c", "d", "e"]


class Fixed(RerankSystem):
    """A first stage that answers the same to everybody, and a second that has a score for each document."""

    name = "fixed"
    Params = Params
    block = 2

    def __init__(self, first: list[float], second: list[float], depth: int) -> None:
        class Depth:
            pass

        Depth.depth = depth  # type: ignore[attr-defined]
        super().__init__(Depth, make_corpus(IDS, np.eye(5, dtype=np.float32)))
        self.first, self.second = torch.tensor(first), torch.tensor(second)

    def prepare(self, task: Task, seed: int) -> None:
        pass

    def stage_one(self, queries: Queries, k: int) -> Ranking:
        scores, rows = self.first.sort(descending=True, stable=True)
        rows = rows.masked_fill(scores == -torch.inf, -1)
        return Ranking(scores[:k].expand(len(queries), -1), rows[:k].expand(len(queries), -1))

    def asked(self, queries: Queries) -> Tensor:
        return torch.zeros(len(queries), 1)

    def rerank(self, asked: Tensor, scores: Tensor, rows: Tensor) -> Tensor:
        assert len(asked) <= self.block and not scores.isnan().any()
        return self.second[rows]


def ranked(first: list[float], second: list[float], depth: int, k: int = 5) -> tuple[list[str], list[float]]:
    queries = Queries(["1", "2", "3"], np.zeros((3, 5), dtype=np.float32))
    ranking = Fixed(first, second, depth).rank(queries, k)
    assert (ranking.rows == ranking.rows[0]).all() and (ranking.scores == ranking.scores[0]).all()
    return ["-" if row < 0 else IDS[row] for row in ranking.rows[0].tolist()], ranking.scores[0].tolist()


def test_the_candidates_are_reordered_above_the_rest() -> None:
    names, scores = ranked([9.0, 8.0, 7.0, 6.0, 5.0], [0.0, 2.0, 1.0, 50.0, 60.0], depth=3)
    assert names == ["b", "c", "a", "d", "e"]
    assert scores == [10.0, 9.0, 8.0, 6.0, 5.0]
    assert ranked([9.0, 8.0, 7.0, 6.0, 5.0], [0.0, 2.0, 1.0, 50.0, 60.0], depth=3, k=2)[0] == ["b", "c"]


def test_ties_of_the_second_stage_go_by_id() -> None:
    assert ranked([9.0, 8.0, 7.0, 6.0, 5.0], [1.0, 1.0, 1.0, 0.0, 0.0], depth=3)[0] == ["c", "b", "a", "d", "e"]


def test_what_the_shift_makes_equal_goes_by_id() -> None:
    """Beside scores of 10,000 a difference of 1e-5 is none in float32; the higher of the two has the lower id."""
    names, scores = ranked([1e4, 1e4 - 1, 1e4 - 2, 6.0, 5.0], [1e-5, 0.0, -1.0, 0.0, 0.0], depth=3)
    assert scores[0] == scores[1] and names == ["b", "a", "c", "d", "e"]


def test_places_without_a_candidate_stay_last() -> None:
    none = float("-inf")
    names, scores = ranked([2.0, 1.0, none, none, none], [0.0, 3.0, 9.0, 9.0, 9.0], depth=4)
    assert names == ["b", "a", "-", "-", "-"]
    assert scores == [5.0, 2.0, none, none, none]
    assert ranked([none] * 5, [0.0] * 5, depth=3) == (["-"] * 5, [none] * 5)


def test_a_depth_beyond_the_corpus() -> None:
    assert ranked([5.0, 4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0], depth=9)[0] == ["e", "d", "c", "b", "a"]
