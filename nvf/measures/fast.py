"""All measures of all queries at once, by trec_eval's rules; `nvf.measures.judge` is the authority that it must equal.

The rules: the gain is the grade, a negative one counts as 0; the discount is log2(rank + 1); the ideal takes all
judged documents, those outside the corpus too; a document that stands twice counts once; a query that has no
relevant document, or no answer, scores 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nvf.measures.parse import parse
from nvf.tasks.base import Qrels
from nvf.types import FloatArray, IntArray, Ranking


def per_query(ranking: Ranking, qrels: Qrels, measures: Sequence[str]) -> dict[str, FloatArray]:
    """Return each measure's value for every query, (Q,) float64 in [0, 1].

    Parameters
    ----------
    ranking
        Q queries, at least as deep as the largest cutoff (or the corpus), in trec_eval's order.
    qrels
        Judgements of the same Q queries.
    measures
        Such as `nDCG@10`; one that does not parse raises `MeasureError`.
    """
    parsed = {text: parse(text) for text in measures}
    grades, ranks = _judged_hits(ranking, qrels)
    relevant, ideal = _ideal(qrels, max((measure.cutoff for measure in parsed.values()), default=0))
    return {text: measure.of(grades, ranks, relevant, ideal) for text, measure in parsed.items()}


def _judged_hits(ranking: Ranking, qrels: Qrels) -> tuple[IntArray, IntArray]:
    """Return the grade (0 where it is negative or there is none) and the rank (from 1) of each hit, (Q, K) both."""
    rows = ranking.rows.cpu().numpy()
    counted = (rows >= 0) & ~_seen_before(rows)
    ranks = np.maximum(counted.cumsum(1), 1)
    return np.where(counted, np.maximum(qrels.grades_of(rows), 0), 0), ranks


def _seen_before(rows: IntArray) -> IntArray:
    """Return (Q, K) whether a row stands earlier in the same list."""
    place = rows.argsort(axis=1, kind="stable")
    in_order = np.take_along_axis(rows, place, axis=1)
    again = np.zeros(rows.shape, dtype=bool)
    np.put_along_axis(again, place[:, 1:], in_order[:, 1:] == in_order[:, :-1], axis=1)
    return again


def _ideal(qrels: Qrels, depth: int) -> tuple[IntArray, IntArray]:
    """Return how many documents are relevant, (Q,), and the best grades, (Q, depth) descending, filled up with 0."""
    keep = qrels.grades > 0
    queries, grades = qrels.query_rows[keep], qrels.grades[keep]
    place = np.lexsort((-grades, queries))
    counts = np.bincount(queries, minlength=len(qrels))
    starts = np.cumsum(counts) - counts
    rank = np.arange(len(place)) - np.repeat(starts, counts)
    best = rank < depth
    table = np.zeros((len(qrels), depth), dtype=np.int64)
    table[queries[best], rank[best]] = grades[place][best]
    return counts, table
