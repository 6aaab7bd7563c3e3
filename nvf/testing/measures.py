"""What holds for every measure."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nvf.measures import judge
from nvf.measures.fast import per_query
from nvf.measures.parse import parse
from nvf.tasks.base import Qrels
from nvf.types import FloatArray, Ranking

DOCUMENTS, QUERIES = 12, 40
IDS = [f"d{row:02d}" for row in range(DOCUMENTS)]


def _drawn(seed: int) -> tuple[Ranking, Qrels]:
    """Return rankings of the whole corpus, and judgements from -1 to 3; some queries have none."""
    random = np.random.default_rng(seed)
    rows = random.permuted(np.tile(np.arange(DOCUMENTS), (QUERIES, 1)), axis=1)
    table = random.integers(-1, 4, (QUERIES, DOCUMENTS)) * (random.random((QUERIES, DOCUMENTS)) < 0.2)
    judged = Qrels.from_triples(QUERIES, [(query, row, int(table[query, row])) for query, row in np.argwhere(table)])
    return _ranking(rows), judged


def _ranking(rows: FloatArray) -> Ranking:
    scores = torch.arange(rows.shape[1], 0, -1, dtype=torch.float32).expand(rows.shape)
    return Ranking(scores, torch.from_numpy(np.ascontiguousarray(rows)))


class MeasureCases:
    """What holds for the measure written as `text`, such as `P@3`, by which the class is to be parametrised."""

    def test_is_written_as_it_reads(self, text: str) -> None:
        assert str(parse(text)) == text

    def test_lies_between_0_and_1(self, text: str) -> None:
        values = per_query(*_drawn(0), [text])[text]
        assert values.shape == (QUERIES,) and values.dtype == np.float64
        assert (values >= 0).all() and (values <= 1).all() and len(np.unique(values)) > 1

    def test_is_0_where_nothing_is_relevant(self, text: str) -> None:
        ranking, qrels = _drawn(1)
        values = per_query(ranking, qrels.where(qrels.grades < 1), [text])[text]
        assert not values.any()

    def test_sees_no_further_than_its_cutoff(self, text: str) -> None:
        ranking, qrels = _drawn(2)
        cutoff = parse(text).cutoff
        cut = Ranking(ranking.scores[:, :cutoff], ranking.rows[:, :cutoff])
        np.testing.assert_array_equal(per_query(ranking, qrels, [text])[text], per_query(cut, qrels, [text])[text])

    def test_the_best_order_is_the_best(self, text: str) -> None:
        ranking, qrels = _drawn(3)
        rows = ranking.rows.numpy()
        best = np.take_along_axis(rows, np.argsort(-qrels.grades_of(rows), axis=1, kind="stable"), axis=1)
        assert (per_query(_ranking(best), qrels, [text])[text] >= per_query(ranking, qrels, [text])[text] - 1e-12).all()

    def test_a_query_stands_for_itself(self, text: str) -> None:
        ranking, qrels = _drawn(4)
        one = Ranking(ranking.scores[7:8], ranking.rows[7:8])
        alone = per_query(one, qrels.select(np.array([7])), [text])[text]
        assert alone[0] == pytest.approx(per_query(ranking, qrels, [text])[text][7], abs=1e-12)

    def test_trec_eval_agrees_where_it_has_it(self, text: str) -> None:
        ranking, qrels = _drawn(5)
        for values in judge.per_query(ranking, qrels, IDS, [text]).values():
            np.testing.assert_allclose(per_query(ranking, qrels, [text])[text], values, rtol=0, atol=1e-12)
