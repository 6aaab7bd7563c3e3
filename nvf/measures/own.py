"""nvf's own measures, by trec_eval's rules."""

from __future__ import annotations

import numpy as np

from nvf.measures.measure import Judged, Measure, ratio
from nvf.types import FloatArray, IntArray


class NDCG(Measure):
    """Discounted cumulative gain over that of the ideal; the gain is the grade, the discount log2(rank + 1)."""

    name, trec = "nDCG", "ndcg_cut.{}"

    def values(self, judged: Judged) -> FloatArray:
        """Return it for each query."""
        return ratio(_dcg(judged.grades, judged.ranks), _dcg(judged.ideal, np.arange(judged.ideal.shape[1]) + 1))


class Recall(Measure):
    """The share of the relevant documents that is found."""

    name, trec = "R", "recall.{}"

    def values(self, judged: Judged) -> FloatArray:
        """Return it for each query."""
        return ratio(judged.found.sum(1), judged.relevant)


class Precision(Measure):
    """The share of the cutoff that is relevant."""

    name, trec = "P", "P.{}"

    def values(self, judged: Judged) -> FloatArray:
        """Return it for each query."""
        return np.asarray(judged.found.sum(1) / self.cutoff)


class Success(Measure):
    """Whether a relevant document is found."""

    name, trec = "Success", "success.{}"

    def values(self, judged: Judged) -> FloatArray:
        """Return it for each query."""
        return np.asarray(judged.found.any(1), dtype=np.float64)


class ReciprocalRank(Measure):
    """1 / rank of the first relevant document."""

    name, trec = "RR", "recip_rank"

    def values(self, judged: Judged) -> FloatArray:
        """Return it for each query."""
        return np.asarray((judged.found / judged.ranks).max(1, initial=0.0), dtype=np.float64)


class AveragePrecision(Measure):
    """The precision at each relevant document that is found, over the number of relevant documents.

    Its mean over queries is MAP.
    """

    name, trec = "MAP", "map_cut.{}"

    def values(self, judged: Judged) -> FloatArray:
        """Return it for each query."""
        found = judged.found
        return ratio((found * found.cumsum(1) / judged.ranks).sum(1), judged.relevant)


def _dcg(gains: IntArray, ranks: IntArray) -> FloatArray:
    """Add up one rank after the other, as trec_eval does: a perfect ranking has 1 to the bit, however deep it is."""
    return np.asarray(sum((gains / np.log2(ranks + 1)).T, start=np.zeros(len(gains))))
