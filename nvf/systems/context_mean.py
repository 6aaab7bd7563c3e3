"""The mean of the context: what predicts the next vector without training anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812

from nvf.systems.base import System
from nvf.systems.documents import Documents
from nvf.systems.windows import as_windows, needs_windows
from nvf.tasks.base import Corpus, Task
from nvf.types import Queries, Ranking


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Nothing to choose."""


class ContextMean(System):
    """Cosine of mean(q_1, ..., q_C), the linear average that beat most trained models of the research notes."""

    name = "context_mean"
    summary = "cosine of the mean of the C context vectors"
    source = "seed 003"
    Params = Params
    trained = False
    floor = True

    def __init__(self, params: Any, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        self._documents = Documents(corpus, self.device)

    @classmethod
    def applies_to(cls, task: Task) -> str | None:
        """Return what the queries are, where they are not windows."""
        return needs_windows(task)

    def prepare(self, task: Task, seed: int) -> None:
        """There is nothing to learn."""

    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents nearest to the mean."""
        mean = as_windows(queries.vectors, self.device).mean(1)
        return self._documents.search(F.normalize(mean), k)
