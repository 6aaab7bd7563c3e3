"""Every quality figure three times: all queries, clean queries, cold documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nvf.measures import fast
from nvf.measures.parse import VIEWS, parse
from nvf.tasks.base import Split
from nvf.types import BoolArray, Figures, FloatArray, IntArray, Ranking


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good a ranking is, by view. A view without queries is absent everywhere.

    Attributes
    ----------
    figures
        View -> measure -> mean over the view's queries, in [0, 1].
    per_query
        View -> measure -> (Q_view,) float64: what the mean is taken of.
    rows
        View -> (Q_view,) int64: the rows of the view's queries in the split.
    """

    figures: Figures
    per_query: Mapping[str, Mapping[str, FloatArray]]
    rows: Mapping[str, IntArray]

    @property
    def queries(self) -> dict[str, int]:
        """View -> how many queries its figures average over."""
        return {view: len(rows) for view, rows in self.rows.items()}


def evaluate(ranking: Ranking, split: Split, cold: BoolArray | None, measures: Sequence[str]) -> Evaluation:
    """Return the figures of a ranking of the whole corpus.

    `all` averages over every query of the split; `clean` over those that have no near-duplicate training query;
    `cold` counts only cold documents as relevant, and averages over the queries that have one.

    Parameters
    ----------
    ranking
        The answers to the split's queries, at least `depth(measures)` deep, own documents already dropped
        (`drop_own`).
    split
        The queries with their judgements.
    cold
        (N,) whether a document is cold, as `Task.cold` has it, or None for no cold view. A judged document outside
        the corpus is not cold.
    measures
        Such as `nDCG@10`; one that does not parse raises `MeasureError`.
    """
    values = {"all": fast.per_query(ranking, split.qrels, measures)}
    rows = {"all": np.arange(len(split)), "clean": np.flatnonzero(split.clean)}
    values["clean"] = values["all"]
    if cold is not None:
        qrels = split.qrels.relevant().among(cold)
        values["cold"] = fast.per_query(ranking, qrels, measures)
        rows["cold"] = np.flatnonzero(np.diff(qrels.starts))
    rows = {view: rows[view] for view in VIEWS if len(rows.get(view, ()))}
    scores = {view: {text: values[view][text][at] for text in measures} for view, at in rows.items()}
    figures = {view: {text: float(of.mean()) for text, of in found.items()} for view, found in scores.items()}
    return Evaluation(figures, scores, rows)


def coincide(figures: Figures, queries: Mapping[str, int]) -> tuple[str, ...]:
    """Return the views other than `all` that say the same: as many queries and equal figures, so shown once.

    >>> coincide({"all": {"R@5": 0.5}, "clean": {"R@5": 0.5}}, {"all": 7, "clean": 7})
    ('clean',)
    """
    return tuple(
        view
        for view in figures
        if view != "all" and queries[view] == queries["all"] and figures[view] == figures["all"]
    )


def depth(measures: Sequence[str]) -> int:
    """Return how deep a ranking must be for the measures: the largest cutoff.

    >>> depth(["nDCG@10", "R@100"])
    100
    """
    return max(parse(text).cutoff for text in measures)


def drop_own(ranking: Ranking, split: Split, k: int) -> Ranking:
    """Return the best `k` hits of a ranking that is one deeper, without the document that bears the query's own id."""
    own = torch.tensor(split.own, device=ranking.rows.device)[:, None]
    dropped = ranking.rows == own
    place = dropped.to(torch.int8).argsort(dim=1, stable=True)[:, :k]
    dropped = dropped.gather(1, place)
    scores = ranking.scores.gather(1, place).masked_fill(dropped, -torch.inf)
    return Ranking(scores, ranking.rows.gather(1, place).masked_fill(dropped, -1))
