"""What every measure offers: a name, a cutoff, and a value for each query."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nvf.errors import MeasureError
from nvf.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Judged:
    """The answers to Q queries, as far down as the measure looks.

    Attributes
    ----------
    grades
        (Q, K) int64 the grade of each hit; 0 where it is not judged, is judged negative, stands there a second time, or
        lies beyond the cutoff.
    ranks
        (Q, K) int64 the rank of each hit, from 1.
    relevant
        (Q,) int64 how many documents are relevant, those outside the corpus too.
    ideal
        (Q, cutoff) int64 the grades of the best possible answer, descending, filled up with 0.
    """

    grades: IntArray
    ranks: IntArray
    relevant: IntArray
    ideal: IntArray

    @property
    def found(self) -> BoolArray:
        """(Q, K) whether a hit is relevant."""
        return np.asarray(self.grades > 0)


@dataclass(frozen=True, slots=True)
class Measure(ABC):
    """How good a ranking is for a query, in [0, 1], by its first `cutoff` hits.

    `str(measure)` is at once config value, dictionary key and column title: `nDCG@10`.

    Attributes
    ----------
    name
        What stands before the `@`.
    trec
        trec_eval's name for it, `{}` standing for the cutoff; None where trec_eval does not have it, and so cannot
        check it.
    """

    name: ClassVar[str]
    trec: ClassVar[str | None] = None
    cutoff: int

    def __str__(self) -> str:
        return f"{self.name}@{self.cutoff}"

    @abstractmethod
    def values(self, judged: Judged) -> FloatArray:
        """Return the value for each query, (Q,) in [0, 1]; 0 where nothing is relevant."""

    def of(self, grades: IntArray, ranks: IntArray, relevant: IntArray, ideal: IntArray) -> FloatArray:
        """Return the checked `values` of deeper rankings, (Q,) float64; raises `MeasureError` where they are none."""
        judged = Judged(np.where(ranks <= self.cutoff, grades, 0), ranks, relevant, ideal[:, : self.cutoff])
        values = np.asarray(self.values(judged), dtype=np.float64)
        if values.shape != relevant.shape:
            raise MeasureError(f"{self} has values of shape {values.shape} for {len(relevant)} queries: one for each")
        if not ((values >= 0) & (values <= 1 + 1e-9)).all():
            raise MeasureError(f"{self} has values outside of [0, 1]: {values.min()} to {values.max()}")
        return values


def ratio(part: FloatArray | IntArray, whole: FloatArray | IntArray) -> FloatArray:
    """Return part / whole, (Q,); 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
