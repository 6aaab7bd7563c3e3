"""Ranking a whole split as it is judged, and many queries a block at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from nvf.indexes.exact import top_k
from nvf.measures.evaluate import drop_own, without
from nvf.systems.base import System
from nvf.tasks.base import Split
from nvf.types import Queries, Ranking

BLOCK = 256
"""How many queries are scored at once by `rank_in_blocks`."""


def rank_split(system: System, split: Split, k: int) -> Ranking:
    """Return the best `k` documents for each query of `split`, without the document that bears the query's own id."""
    if not (split.own >= 0).any():
        return system.rank(split.queries, k)
    return drop_own(system.rank(split.queries, k + 1), split, k)


def rank_candidates(rank: Callable[[Queries, int], Ranking], split: Split, k: int) -> Ranking:
    """Return the best `k` documents for each query of `split` that it may learn from.

    Besides the document that bears the query's own id, what was withheld from the query is left out: nothing is known
    of it, so that it is neither to be preferred nor to be put behind.
    """
    withheld = split.withheld
    most = 0 if withheld is None else int(np.diff(withheld.starts).max(initial=0))
    ranking = drop_own(rank(split.queries, k + most + 1), split, k + most)
    return ranking if withheld is None else without(ranking, withheld, k)


def rank_in_blocks(queries: Queries, k: int, order: Tensor, score: Callable[[Queries], Tensor]) -> Ranking:
    """Return the best `k` documents for each query by the scores of all documents, which are held a block at a time.

    Parameters
    ----------
    queries
        Any number of them.
    k
        How many documents for each query; min(k, N) come back.
    order
        (N,) integers: see `nvf.indexes.exact.top_k`.
    score
        Returns (B, N) scores for a block of queries, -inf where a document is no hit.
    """
    blocks = [np.arange(start, min(start + BLOCK, len(queries))) for start in range(0, max(1, len(queries)), BLOCK)]
    found = [top_k(score(queries.select(block)), k, order) for block in blocks]
    return Ranking(torch.cat([scores for scores, _ in found]), torch.cat([rows for _, rows in found]))
