"""Rank-biased precision: what a reader finds who goes on to the next hit with probability 0.8."""

from __future__ import annotations

import numpy as np

from nvf.measures.measure import Judged, Measure
from nvf.types import FloatArray

PATIENCE = 0.8


class RankBiasedPrecision(Measure):
    """RBP = (1 - p) * sum of p^(rank - 1) over the relevant hits.

    Moffat and Zobel, Rank-Biased Precision for Measurement of Retrieval Effectiveness, TOIS 2008.
    """

    name = "RBP"

    def values(self, judged: Judged) -> FloatArray:
        """Return it for each query."""
        weights = (1 - PATIENCE) * PATIENCE ** (judged.ranks - 1.0)
        return np.asarray((judged.found * weights).sum(1))
