"""The raw encoder: what one gets without training anything."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nvf.systems import register
from nvf.systems.base import System
from nvf.systems.documents import Documents, needs_vectors
from nvf.systems.windows import as_windows, needs_windows
from nvf.tasks.base import Corpus, Task
from nvf.types import Queries, Ranking


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Nothing to choose."""


@register(
    "raw",
    summary="cosine of the frozen vectors; of a window, its last vector",
    source="the encoder itself",
    transfers=True,
    role="floor",
)
class Raw(System[Params]):
    """Cosine of the frozen vectors; a window asks by its last vector, as if the next one repeated it."""

    def __init__(self, params: Params, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        self.documents = Documents(corpus, self.device)

    @classmethod
    def applies_to(cls, task: Task) -> str | None:
        """Return what the queries are, where they are neither vectors like the documents nor windows of such."""
        needs = needs_windows if task.split("dev").queries.vectors.ndim == 3 else needs_vectors
        return needs(task)

    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents of the highest cosine."""
        return self.documents.search(self._asked(queries), k)

    def cosines(self, queries: Queries) -> Tensor:
        """Return (B, N) cosines of a block of queries with all documents."""
        return self.documents.scores(self._asked(queries))

    def _asked(self, queries: Queries) -> Tensor:
        return F.normalize(as_windows(queries.vectors, self.device)[:, -1])
