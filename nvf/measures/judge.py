"""The same figures from ir_measures and trec_eval itself: the authority, some times slower than `nvf.measures.fast`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nvf.measures.parse import Measure, parse
from nvf.tasks.base import Qrels
from nvf.types import FloatArray, Ranking

Lists = dict[str, dict[str, float]]


def per_query(ranking: Ranking, qrels: Qrels, ids: Sequence[str], measures: Sequence[str]) -> dict[str, FloatArray]:
    """Return each measure's value for every query, (Q,) float64 in [0, 1], as trec_eval has it.

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
    parsed = {text: parse(text) for text in measures}
    run, judged = as_run(ranking, ids), as_qrels(qrels, ids)
    return {text: _value(measure, run, judged, len(qrels)) for text, measure in parsed.items()}


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


def _value(measure: Measure, run: Lists, judged: dict[str, dict[str, int]], queries: int) -> FloatArray:
    import ir_measures

    # trec_eval has RR without a cutoff only; ir_measures' RR@k is the MS MARCO script, which breaks ties the other way.
    asked = ir_measures.parse_measure("RR" if measure.name == "RR" else str(measure))
    values = np.zeros(queries)
    for found in ir_measures.pytrec_eval.iter_calc([asked], judged, run):
        values[int(found.query_id)] = found.value
    if measure.name == "RR":
        values[values < 1 / measure.cutoff] = 0
    return values
