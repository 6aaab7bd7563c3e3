"""Every quality figure three times: all queries, clean queries, cold documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nvf.measures import fast
from nvf.measures.parse import VIEWS, parse
from nvf.tasks.base import Qrels, Split
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


PerQuery = Callable[[Ranking, Qrels, Sequence[str]], Mapping[str, FloatArray]]
"""From a ranking of Q queries, their judgements, and measures to each measure's value for every query, (Q,)."""


def evaluate(
    ranking: Ranking,
    split: Split,
    cold: BoolArray | None,
    measures: Sequence[str],
    per_query: PerQuery = fast.per_query,
) -> Evaluation:
    """Return the figures of a ranking of the whole corpus.

    `all` averages over every query of the split; `clean` over those that have no near-duplicate training query;
    `cold` over those that have a cold relevant document, on condensed lists: a query's relevant documents that are not
    cold leave its ranking, and what stood below them moves up. So only the cold ones count, none is crowded out by
    other right answers, and a perfect ranking has 1.

    Parameters
    ----------
    ranking
        The answers to the split's queries, at least `depth(measures)` deep, with cold documents
        `depth(measures, split)`; own documents already dropped (`drop_own`).
    split
        The queries with their judgements.
    cold
        (N,) whether a document is cold, as `Task.cold` has it, or None for no cold view. A judged document outside
        the corpus is not cold.
    measures
        Such as `nDCG@10`; one that does not parse raises `MeasureError`.
    per_query
        Who computes them: `nvf.measures.judge.agreed` where trec_eval itself has to agree.

    Notes
    -----
    Condensed lists: Sakai, Alternatives to Bpref, SIGIR 2007; there it is the unjudged documents that leave.
    """
    deepest = depth(measures)
    values = {"all": per_query(cut(ranking, deepest), split.qrels, measures)}
    rows = {"all": np.arange(len(split)), "clean": np.flatnonzero(split.clean)}
    values["clean"] = values["all"]
    if cold is not None:
        relevant = split.qrels.relevant()
        qrels, warm = relevant.among(cold), relevant.among(~cold)
        rows["cold"] = np.flatnonzero(np.diff(qrels.starts))
        needed = deepest + np.diff(warm.starts)[rows["cold"]].max(initial=0)
        if ranking.rows.shape[1] < min(needed, len(cold)):
            raise ValueError(f"cold figures need {needed} hits a query, the ranking has {ranking.rows.shape[1]}")
        values["cold"] = per_query(without(ranking, warm, deepest), qrels, measures)
    rows = {view: rows[view] for view in VIEWS if len(rows.get(view, ()))}
    scores = {view: {text: values[view][text][at] for text in measures} for view, at in rows.items()}
    figures = {view: {text: float(of.mean()) for text, of in found.items()} for view, found in scores.items()}
    return Evaluation(figures, scores, rows)


def depth(measures: Sequence[str], split: Split | None = None) -> int:
    """Return how deep a ranking must be for the measures: the largest cutoff.

    For cold figures on a `split` it takes as many more as any of its queries has relevant documents, for all of them
    may leave the ranking: see `evaluate`.

    >>> depth(["nDCG@10", "R@100"])
    100
    """
    leaving = 0 if split is None else np.diff(split.qrels.relevant().starts).max(initial=0)
    return max(parse(text).cutoff for text in measures) + int(leaving)


def drop_own(ranking: Ranking, split: Split, k: int) -> Ranking:
    """Return the best `k` hits of a ranking that is one deeper, without the document that bears the query's own id."""
    return _first(ranking, k, ranking.rows == torch.tensor(split.own, device=ranking.rows.device)[:, None])


def without(ranking: Ranking, qrels: Qrels, k: int) -> Ranking:
    """Return the best `k` hits of a deeper ranking of the same queries without those that `qrels` have relevant."""
    relevant = qrels.grades_of(ranking.rows.cpu().numpy()) > 0
    return _first(ranking, k, torch.from_numpy(relevant).to(ranking.rows.device))


def cut(ranking: Ranking, k: int) -> Ranking:
    """Return the best `k` hits of a ranking."""
    return Ranking(ranking.scores[:, :k], ranking.rows[:, :k])


def _first(ranking: Ranking, k: int, dropped: Tensor) -> Ranking:
    """Return the best `k` hits that are not `dropped` (Q, K), with none where there are fewer."""
    place = dropped.to(torch.int8).argsort(dim=1, stable=True)[:, :k]
    dropped = dropped.gather(1, place)
    scores = ranking.scores.gather(1, place).masked_fill(dropped, -torch.inf)
    return Ranking(scores, ranking.rows.gather(1, place).masked_fill(dropped, -1))
