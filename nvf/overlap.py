"""What one split shares with another, a row of the leak report, and its sentence. Light: reading commands use it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Overlap:
    """What one split shares with another; a row of the leak report.

    Attributes
    ----------
    split, other
        The judged split and the split that it is compared with.
    queries
        How many queries `split` has.
    same_id, same_text, near
        How many of them have, in `other`, a query of the same id / of the same normalised text / with a cosine above
        `threshold` or the same normalised text.
    judged
        How many different documents are judged relevant in `split`.
    shared
        How many of those are judged relevant in `other` too.
    queries_shared
        How many queries of `split` have a relevant document that is judged relevant in `other`.
    threshold
        The cosine above which two queries count as near-duplicates.
    """

    split: str
    other: str
    queries: int
    same_id: int
    same_text: int
    near: int
    judged: int
    shared: int
    queries_shared: int
    threshold: float


def sentences(rows: Iterable[Overlap]) -> list[str]:
    """Return one sentence for people about each pair of splits that leaks; none where nothing does."""
    return [sentence(row) for row in rows if row.near or row.shared or row.same_id]


def sentence(row: Overlap) -> str:
    """Return what `row.split` shares with `row.other`, in one sentence."""
    parts = []
    if row.same_id:
        parts.append(
            f"{row.same_id:,} of {row.queries:,} {row.split} queries stand in {row.other} too, under the same id"
        )
    if row.near:
        parts.append(
            f"{row.near:,} of {row.queries:,} {row.split} queries have a near-duplicate in {row.other} "
            f"(same text, or cosine above {row.threshold:g})"
        )
    if row.shared:
        parts.append(
            f"{row.shared / row.judged:.0%} of the documents judged relevant in {row.split} are so in {row.other} too "
            f"({row.queries_shared:,} of {row.queries:,} queries have one)"
        )
    return f"leak: {'; '.join(parts)}"
