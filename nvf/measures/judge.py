"""The same figures from trec_eval itself: the authority, some times slower than `nvf.measures.fast`.

Every ranking that a confirmation judges goes through both (`agreed`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nvf.errors import MeasureError
from nvf.measures import fast
from nvf.measures.evaluate import PerQuery
from nvf.measures.measure import Measure
from nvf.measures.parse import parse
from nvf.tasks.base import Qrels
from nvf.types import FloatArray, Ranking

Lists = dict[str, dict[str, float]]
Figures = dict[str, FloatArray]
TOLERANCE = 1e-9
"""Between two ways to add up the same numbers."""


def per_query(ranking: Ranking, qrels: Qrels, ids: Sequence[str], measures: Sequence[str]) -> Figures:
    """Return each measure's value for every query, (Q,) float64 in [0, 1], as trec_eval has it; of those that it has.

    Parameters
    ----------
    ranking
        Q queries.
    qrels
        Judgements of the same Q queries.
    ids
        N document ids; trec_eval orders equal scores by them.
    measures
        Such as `nDCG@10`; one that does not parse raises `MeasureError`.
    """
    asked = {text: parse(text) for text in measures}
    return _values(asked, as_run(ranking, ids), as_qrels(qrels, ids), len(qrels))


def as_run(ranking: Ranking, ids: Sequence[str]) -> Lists:
    """Return the hits as trec_eval reads them: query row -> document id -> score."""
    run: Lists = {}
    for query, (scores, rows) in enumerate(zip(ranking.scores.tolist(), ranking.rows.tolist(), strict=True)):
        hits = run.setdefault(str(query), {})
        for score, row in zip(scores, rows, strict=True):
            if row >= 0:
                hits.setdefault(ids[row], score)
    return run


def as_qrels(qrels: Qrels, ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the judgements as trec_eval reads them; documents outside the corpus get ids that no hit has."""
    judged: dict[str, dict[str, int]] = {}
    table = zip(qrels.query_rows.tolist(), qrels.rows.tolist(), qrels.grades.tolist(), strict=True)
    for place, (query, row, grade) in enumerate(table):
        judged.setdefault(str(query), {})[ids[row] if row >= 0 else f"not in the corpus: {place}"] = grade
    return judged


def agreed(ids: Sequence[str], queries: Sequence[str]) -> PerQuery:
    """Return a `fast.per_query` that raises `MeasureError` where trec_eval has another value for a query.

    Parameters
    ----------
    ids, queries
        The ids of N documents and Q queries.
    """

    def per_query_(ranking: Ranking, qrels: Qrels, measures: Sequence[str]) -> Figures:
        values = fast.per_query(ranking, qrels, measures)
        for text, theirs in per_query(ranking, qrels, ids, measures).items():
            other = np.flatnonzero(~np.isclose(values[text], theirs, rtol=0, atol=TOLERANCE))
            if len(other):
                at = other[0]
                raise MeasureError(
                    f"{text} of query '{queries[at]}' is {values[text][at]:.6f} by nvf and {theirs[at]:.6f} by "
                    f"trec_eval; {len(other)} of {len(theirs)} queries differ: a fault in nvf, please report it"
                )
        return values

    return per_query_


def _values(asked: Mapping[str, Measure], run: Lists, judged: dict[str, dict[str, int]], queries: int) -> Figures:
    import pytrec_eval

    named = {text: measure.trec.format(measure.cutoff) for text, measure in asked.items() if measure.trec}
    found = pytrec_eval.RelevanceEvaluator(judged, {*named.values()}).evaluate(run) if named else {}
    values = {}
    for text, name in named.items():
        answered = name.replace(".", "_")
        values[text] = np.array([found.get(str(query), {}).get(answered, 0.0) for query in range(queries)])
        if asked[text].name == "RR":  # trec_eval's has no cutoff
            values[text][values[text] < 1 / asked[text].cutoff] = 0
    return values
