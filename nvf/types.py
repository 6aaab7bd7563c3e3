"""Nouns that every room shares: what is asked, what is answered, how good it was.

Shape letters used throughout: Q queries of a set, B of a batch, N documents of the corpus, D dimensions, C context
vectors of one query, K hits per query, J judgements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import BeforeValidator

if TYPE_CHECKING:  # commands that only read need these nouns, not torch, whose import takes seconds
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import Tensor

FloatArray: TypeAlias = "npt.NDArray[np.floating]"
IntArray: TypeAlias = "npt.NDArray[np.integer]"
BoolArray: TypeAlias = "npt.NDArray[np.bool_]"

Number = Annotated[float, BeforeValidator(lambda value: nan if value is None else value)]
"""A number that JSON holds as null where it is not finite."""
Figures = dict[str, dict[str, Number]]
"""View ("all", "clean", "cold") -> measure ("nDCG@10") -> value in [0, 1]. A view without queries is absent."""


@dataclass(frozen=True, slots=True)
class Queries:
    """What is asked.

    Attributes
    ----------
    ids
        Q query ids.
    vectors
        (Q, D) float32, or (Q, C, D) where a query is a window of C context vectors. A numpy array, often
        memory-mapped. Not necessarily of unit length.
    texts
        Q texts, or None where there is no text.
    """

    ids: Sequence[str]
    vectors: FloatArray
    texts: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def select(self, rows: IntArray) -> Queries:
        """Return the queries at `rows`, in that order, held in memory."""
        import numpy as np

        texts = None if self.texts is None else [self.texts[int(row)] for row in rows]
        return Queries([self.ids[int(row)] for row in rows], np.asarray(self.vectors[rows]), texts)


@dataclass(frozen=True, slots=True)
class Ranking:
    """What is answered: for each of Q queries at most K hits, best first.

    Attributes
    ----------
    scores
        (Q, K) float32, non-increasing along K; -inf where there is no hit.
    rows
        (Q, K) int64 corpus rows, each at most once per query; -1 where there is no hit. Equal scores stand in
        descending order of document id (trec_eval's rule).
    """

    scores: Tensor
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A named pathology, with the figure that shows it.

    Attributes
    ----------
    name
        Its name, e.g. `harmful_reranker`.
    figure, threshold
        The measured figure and the threshold that it crossed.
    text
        One sentence for the user.
    """

    name: str
    figure: Number
    threshold: Number
    text: str


def as_tensor(array: FloatArray, device: torch.device | str = "cpu") -> Tensor:
    """Return `array` as a float32 tensor on `device`; on the CPU a float32 array is shared, not copied."""
    import numpy as np
    import torch

    return torch.from_numpy(np.asarray(array, dtype=np.float32)).to(device)
