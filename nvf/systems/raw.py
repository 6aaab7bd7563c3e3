"""The raw encoder: what one gets without training anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812

from nvf.systems.base import System
from nvf.systems.documents import Documents, needs_vectors
from nvf.tasks.base import Corpus, Task
from nvf.types import Queries, Ranking, as_tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Nothing to choose."""


class Raw(System):
    """Cosine of the frozen vectors."""

    name = "raw"
    summary = "cosine of the frozen vectors"
    source = "the encoder itself"
    Params = Params
    trained = False
    floor = True

    def __init__(self, params: Any, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        self._documents = Documents(corpus, self.device)

    @classmethod
    def applies_to(cls, task: Task) -> str | None:
        """Return what the queries are, where they are not vectors like the documents."""
        return needs_vectors(task)

    def prepare(self, task: Task, seed: int) -> None:
        """There is nothing to learn."""

    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents of the highest cosine."""
        return self._documents.search(F.normalize(as_tensor(queries.vectors, self.device)), k)
