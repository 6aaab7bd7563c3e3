"""Ranking a whole split as it is judged."""

from __future__ import annotations

from nvf.measures.evaluate import drop_own
from nvf.systems.base import System
from nvf.tasks.base import Split
from nvf.types import Ranking


def rank_split(system: System, split: Split, k: int) -> Ranking:
    """Return the best `k` documents for each query of `split`, without the document that bears the query's own id."""
    if not (split.own >= 0).any():
        return system.rank(split.queries, k)
    return drop_own(system.rank(split.queries, k + 1), split, k)
