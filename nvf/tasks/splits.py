"""A dev split carved from train, such that no near-duplicate and no judged document lies on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nvf import seeding
from nvf.errors import TaskError
from nvf.tasks.base import Qrels
from nvf.tasks.leakage import cosine_blocks, normalised, unit_rows
from nvf.types import IntArray, Queries


@dataclass(frozen=True, slots=True)
class Carved:
    """Which training queries became dev.

    Attributes
    ----------
    train, dev
        Ascending rows among the former training queries.
    note
        A sentence for the user where a rule had to be dropped.
    """

    train: IntArray
    dev: IntArray
    note: str | None


def carve_dev(queries: Queries, qrels: Qrels, share: float, threshold: float, seed: int) -> Carved:
    """Return a seeded dev split of at most `share` of the training queries, and nearly as many.

    Queries joined by a near-duplicate or by a shared relevant document go to the same side. Where that makes a group
    larger than dev may be (as on NFCorpus, where 2,568 of 2,590 queries hang together), shared documents are dropped
    from the rule, and the note says so.

    Raises
    ------
    TaskError
        Where no group of queries is small enough.
    """
    size = max(1, round(share * len(queries)))
    near = _near_edges(queries, threshold)
    groups, note = _groups(len(queries), near, _document_edges(qrels)), None
    largest = int(np.bincount(groups).max())
    if largest > size:
        note = (
            f"dev is carved from train by near-duplicate queries only: {largest:,} of {len(queries):,} queries "
            "hang together by shared judged documents, so documents judged in dev are judged in train too"
        )
        groups = _groups(len(queries), near)
    dev = np.isin(groups, _draw(np.bincount(groups), size, seed))
    if not dev.any() or dev.all():
        raise TaskError(
            f"no dev split can be carved: the {len(queries):,} training queries are near-duplicates of one another; "
            "give a dev split (qrels/dev.tsv)"
        )
    return Carved(np.flatnonzero(~dev), np.flatnonzero(dev), note)


def _draw(sizes: IntArray, size: int, seed: int) -> IntArray:
    """Return groups in a seeded order, leaving out each that does not fit any more."""
    taken, total = [], 0
    for group in np.random.default_rng(seeding.derive("carve dev", seed)).permutation(len(sizes)):
        if total + sizes[group] <= size:
            taken.append(group)
            total += int(sizes[group])
    return np.array(taken, dtype=np.int64)


def _groups(count: int, *edges: IntArray) -> IntArray:
    """Return (Q,) the group of each query that follows from the edges (E, 2)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left, right = np.concatenate(edges).T
    graph = coo_array((np.ones(len(left), dtype=bool), (left, right)), shape=(count, count))
    groups: IntArray = connected_components(graph, directed=False)[1]
    return groups


def _near_edges(queries: Queries, threshold: float) -> IntArray:
    unit = unit_rows(queries.vectors)
    edges: IntArray = np.zeros((0, 2), dtype=np.int64)
    for start, cosines in cosine_blocks(unit, unit):
        found = np.argwhere(cosines > threshold) + np.array([start, 0])
        # Only what joins is kept: were all queries near one another, all their pairs would not fit into memory.
        edges = _stars(_groups(len(queries), edges, found))
    if queries.texts is not None:
        texts = [normalised(text) or f"\0{row}" for row, text in enumerate(queries.texts)]
        edges = np.concatenate([edges, _stars(np.array(texts))])
    return edges


def _document_edges(qrels: Qrels) -> IntArray:
    relevant = qrels.relevant()
    return relevant.query_rows[_stars(relevant.rows)]


def _stars(labels: npt.NDArray[Any]) -> IntArray:
    """Return (L, 2) an edge to each place from the first place with the same label."""
    _, first, label = np.unique(labels, return_index=True, return_inverse=True)
    return np.stack([first[label], np.arange(len(labels))], axis=1)
