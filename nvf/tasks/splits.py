"""Splits carved from train, such that no near-duplicate and no judged document lies in two of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nvf import seeding
from nvf.errors import TaskError
from nvf.params import param
from nvf.tasks.base import Qrels
from nvf.tasks.files import Judgement
from nvf.tasks.leakage import cosine_blocks, normalised
from nvf.types import IntArray, Queries

PENDING = 2**22
"""Pairs of near-duplicates held at once (64 MB)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shares:
    """The option `split` of a source: train, dev and test are carved from all judged queries, whatever they were."""

    train: float | None = param(
        None, low=0.0, high=0.98, doc="share of all judged queries that becomes train, in groups without leaks"
    )
    dev: float | None = param(None, low=0.001, high=0.98, doc="share that becomes dev; the rest is test")
    seed: int = param(0, low=0, high=2**31 - 1, doc="seed of that draw")

    @property
    def given(self) -> bool:
        """Whether the sweep file asks for it."""
        return self.train is not None or self.dev is not None

    def plan(self, where: str) -> Plan:
        """Return what is carved from all judged queries, of which the rest is train, or test where nothing trains.

        Raises `TaskError` where dev is missing, or nothing is left for test.
        """
        if self.dev is None:
            raise TaskError(
                f"{where}: split needs dev besides train: split: {{train: 0.6, dev: 0.2}}; the rest is test"
            )
        train = self.train or 0.0
        if train + self.dev > 0.995:
            raise TaskError(
                f"{where}: split.train = {train:g} and split.dev = {self.dev:g} leave no query for test: "
                "their sum must be below 1"
            )
        if not train:
            return Plan(dev=self.dev, test=None, seed=self.seed, rest="test")
        return Plan(dev=self.dev, test=1 - train - self.dev, seed=self.seed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is carved where a split is missing: shares of dev and test (None: not carved), a seed, what the rest is."""

    dev: float
    test: float | None
    seed: int
    rest: str = "train"


def pooled(splits: Mapping[str, Sequence[Judgement]]) -> tuple[dict[str, list[Judgement]], list[str]]:
    """Return all judgements as those of one split, and a sentence on where they came from.

    Raises `TaskError` where two splits judge a pair differently.
    """
    found: dict[tuple[str, str], int] = {}
    for name, judgements in splits.items():
        for query, document, grade in judgements:
            if found.setdefault((query, document), grade) != grade:
                raise TaskError(f"{name}: '{query}' and '{document}' are judged in another split, with another grade")
    count = len({query for query, _ in found})
    return {"train": [(query, document, grade) for (query, document), grade in found.items()]}, [
        f"split: every split is carved from all {count:,} judged queries ({', '.join(splits)} of the data)"
    ]


@dataclass(frozen=True, slots=True)
class Carved:
    """Which training queries became dev, and test where that was asked for: ascending rows by split, train included.

    `note` is a sentence for the user where a rule had to be dropped.
    """

    rows: Mapping[str, IntArray]
    note: str | None


def enough(count: int, shares: Collection[str]) -> None:
    """Raise `TaskError` where `count` training queries cannot give one to each split of `shares` and keep one."""
    if 0 < count <= len(shares):
        raise TaskError(
            f"no {' and '.join(shares)} can be carved from {count} training {'query' if count == 1 else 'queries'}: "
            f"at least {len(shares) + 1} are needed"
        )


def carve(queries: Queries, qrels: Qrels, shares: Mapping[str, float], threshold: float, seed: int) -> Carved:
    """Return seeded splits of at most their `shares` of the training queries, and nearly as many; the rest is train.

    Queries joined by a near-duplicate or by a shared relevant document go to the same split. Where that makes a group
    larger than a split may be (as on NFCorpus, where 2,568 of 2,590 queries hang together), shared documents are
    dropped from the rule, and the note says so. Raises `TaskError` where there are too few queries, or no group of them
    is small enough.
    """
    enough(len(queries), shares)
    sizes = {name: max(1, round(share * len(queries))) for name, share in shares.items()}
    near = _near_edges(queries, threshold)
    groups, note = _groups(len(queries), near, _document_edges(qrels)), None
    largest = int(np.bincount(groups).max())
    if largest > min(sizes.values()):
        note = _dropped(list(shares), largest, len(queries))
        groups = _groups(len(queries), near)
    rows, left = {}, np.ones(len(queries), dtype=bool)
    for name, size in sizes.items():
        taken = left & np.isin(groups, _draw(np.bincount(groups[left]), size, f"carve {name}", seed))
        left &= ~taken
        if not taken.any() or not left.any():
            raise TaskError(
                f"no {name} split can be carved: the {len(queries):,} training queries are near-duplicates of one "
                f"another; give a {name} split"
            )
        rows[name] = np.flatnonzero(taken)
    return Carved({"train": np.flatnonzero(left), **rows}, note)


def _dropped(names: Sequence[str], largest: int, count: int) -> str:
    which = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"
    return (
        f"{which} carved by near-duplicate queries only: {largest:,} of {count:,} queries "
        f"hang together by shared judged documents, so documents judged in {' or '.join(names)} are judged in train too"
    )


def _draw(sizes: IntArray, size: int, purpose: str, seed: int) -> IntArray:
    """Return groups in a seeded order, leaving out each that does not fit any more."""
    taken, total = [], 0
    for group in np.random.default_rng(seeding.derive(purpose, seed)).permutation(len(sizes)):
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
    pending: list[IntArray] = [np.zeros((0, 2), dtype=np.int64)]
    for start, other, cosines in cosine_blocks(queries.vectors):
        pending.append(np.argwhere(cosines > threshold) + np.array([start, other]))
        # Only what joins is kept: were all queries near one another, all their pairs would not fit into memory.
        if sum(map(len, pending)) > PENDING:
            pending = [_stars(_groups(len(queries), *pending))]
    if queries.texts is not None:
        number: dict[str, int] = {}
        texts = (normalised(text) or f"\0{row}" for row, text in enumerate(queries.texts))
        pending.append(_stars(np.array([number.setdefault(text, len(number)) for text in texts])))
    return np.concatenate(pending)


def _document_edges(qrels: Qrels) -> IntArray:
    relevant = qrels.relevant()
    return relevant.query_rows[_stars(relevant.rows)]


def _stars(labels: IntArray) -> IntArray:
    """Return (L, 2) an edge to each place from the first place with the same label."""
    _, first, label = np.unique(labels, return_index=True, return_inverse=True)
    return np.stack([first[label], np.arange(len(labels))], axis=1)
