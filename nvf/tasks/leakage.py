"""What one split gives away about another: near-duplicate queries and shared judged documents.

Two queries are near-duplicates where their normalised texts are equal, or where their cosine lies above the task's
threshold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from nvf import seeding
from nvf.overlap import Overlap
from nvf.tasks.base import Split
from nvf.types import BoolArray, FloatArray, IntArray, Queries

THRESHOLDS = {"minilm": 0.85}
"""Read off pairs of SciFact and NFCorpus queries: above it they ask for the same thing."""
UNRELATED_QUANTILE = 0.95
TOWARDS_ONE = 0.785
"""The two together give 0.849 on SciFact, 0.852 on NFCorpus with all-MiniLM-L6-v2 (measured, October 2026)."""
PAIRS = 200_000
BLOCK = 4096
"""Queries of either side that are compared at once: 64 MB of cosines."""


def normalised(text: str) -> str:
    """Return `text` casefolded, with punctuation and whitespace collapsed.

    >>> normalised("  Does vitamin-D   help?")
    'does vitamin d help'
    """
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()


def threshold_of(encoder: str | None, *vectors: FloatArray) -> float:
    """Return the cosine above which two queries count as near-duplicates.

    Known encoders have theirs. For others it lies 78.5 % of the way from the 95 % quantile of the cosines of random,
    hence unrelated, pairs of rows towards 1, rounded to 4 digits; the rows are those of all `vectors` (Q, D).
    """
    if encoder in THRESHOLDS:
        return THRESHOLDS[encoder]
    count = sum(map(len, vectors))
    if count < 2:
        return 1.0
    rng = np.random.default_rng(seeding.derive("unrelated"))
    left = rng.integers(count, size=min(PAIRS, count**2))
    right = (left + rng.integers(1, count, size=len(left))) % count
    cosines = np.concatenate(
        [
            np.einsum("nd,nd->n", *(_unit_at(vectors, rows[at : at + 10_000]) for rows in (left, right)))
            for at in range(0, len(left), 10_000)
        ]
    )
    unrelated = float(np.quantile(cosines, UNRELATED_QUANTILE))
    return round(unrelated + TOWARDS_ONE * (1 - unrelated), 4)


def _unit_at(parts: Sequence[FloatArray], rows: IntArray) -> FloatArray:
    """Return the unit rows at `rows` of the parts one after the other, without joining them."""
    starts = np.cumsum([0, *map(len, parts)])
    found = np.empty((len(rows), *parts[0].shape[1:]), dtype=np.float32)
    for start, part in zip(starts, parts, strict=False):
        inside = (rows >= start) & (rows < start + len(part))
        found[inside] = part[rows[inside] - start]
    return unit_rows(found)


def unit_rows(vectors: FloatArray) -> FloatArray:
    """Return the (Q, C * D) rows of length 1 of (Q, D) or (Q, C, D) vectors."""
    flat = np.asarray(vectors, dtype=np.float32).reshape(len(vectors), -1)
    unit: FloatArray = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    return unit


def cosine_blocks(left: FloatArray, right: FloatArray | None = None) -> Iterator[tuple[int, int, FloatArray]]:
    """Yield (first row of `left`, first row of `right`, cosines) block by block, with no copy of either side.

    Without `right`, `left` is compared with itself and blocks below the diagonal are left out.
    """
    for start in range(0, len(left), BLOCK):
        rows = unit_rows(left[start : start + BLOCK])
        others = left if right is None else right
        for other in range(start if right is None else 0, len(others), BLOCK):
            yield start, other, rows @ unit_rows(others[other : other + BLOCK]).T


def near(queries: Queries, others: Queries, threshold: float) -> BoolArray:
    """Return (Q,) whether each query has a near-duplicate among `others`."""
    found = same_text(queries, others)
    if queries.vectors.ndim == 3:
        found |= same_context(queries.vectors, others.vectors)
    for start, _, cosines in cosine_blocks(queries.vectors, others.vectors):
        found[start : start + len(cosines)] |= cosines.max(axis=1) > threshold
    return found


def same_context(windows: FloatArray, others: FloatArray) -> BoolArray:
    """Return (Q,) whether most of the C vectors of each window (Q, C, D) stand in the windows of another split.

    That is what a split by window instead of by document gives away: windows of one document overlap, though no two are
    the same. A single vector in common is no such sign: many abstracts have a sentence like "Methods".
    """
    known = {vector.tobytes() for window in others for vector in np.asarray(window)}
    return np.array(
        [2 * sum(vector.tobytes() in known for vector in np.asarray(window)) > len(window) for window in windows]
    )


def same_text(queries: Queries, others: Queries) -> BoolArray:
    """Return (Q,) whether each query has the normalised text of one of `others`; never where there is none."""
    if queries.texts is None or others.texts is None:
        return np.zeros(len(queries), dtype=bool)
    known = {normalised(text) for text in others.texts} - {""}
    return np.array([normalised(text) in known for text in queries.texts], dtype=bool)


def overlap(split: Split, other: Split, threshold: float) -> Overlap:
    """Return what `split` shares with `other`."""
    own, theirs = split.qrels.relevant(), other.qrels.relevant()
    judged, shared = np.unique(own.rows), np.intersect1d(own.rows, theirs.rows)
    ids = set(other.queries.ids)
    return Overlap(
        split=split.name,
        other=other.name,
        queries=len(split),
        same_id=sum(identity in ids for identity in split.queries.ids),
        same_text=int(same_text(split.queries, other.queries).sum()),
        near=int(near(split.queries, other.queries, threshold).sum()),
        judged=len(judged),
        shared=len(shared),
        queries_shared=len(np.unique(own.query_rows[np.isin(own.rows, shared)])),
        threshold=threshold,
    )


def report(splits: Mapping[str, Split], threshold: float) -> tuple[Overlap, ...]:
    """Return the leak report: what dev shares with train, and test with train and with dev."""
    pairs: Sequence[tuple[str, str]] = (("dev", "train"), ("test", "train"), ("test", "dev"))
    return tuple(
        overlap(splits[split], splits[other], threshold)
        for split, other in pairs
        if len(splits[split]) and len(splits[other])
    )
