"""The Bayes decision: the best that anything can do on generated data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nvf.indexes.exact import search
from nvf.systems import register
from nvf.systems.base import System
from nvf.tasks.base import Corpus, Task
from nvf.types import Queries, Ranking, as_tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Nothing to choose."""


@register(
    "oracle",
    summary="the Bayes decision, from the generator's own map and noise",
    source="Bayes' rule; nvf/tasks/synthetic.py and walks.py hold the generators",
    role="ceiling",
)
class Oracle(System[Params]):
    """The log-posterior of each document under the generator's own map M and precision P.

    For a query q = M d + noise with covariance P^-1, and documents that are asked for equally often,

        log p(d | q) = -(q - M d)^T P (q - M d) / 2 + constant,

    of which the part that depends on d is q^T P M d - |M d|_P^2 / 2: a dot product with one more dimension. A window is
    one long query: M (C D, D) then stacks a map for each of its vectors.
    """

    def __init__(self, params: Params, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        self._documents = as_tensor(corpus.vectors, self.device)
        self._order = torch.tensor(corpus.order, device=self.device)
        self._map = torch.eye(corpus.dim, device=self.device)
        self._precision = torch.ones(corpus.dim, device=self.device)

    @classmethod
    def applies_to(cls, task: Task) -> str | None:
        """Return that there is no generator, where there is none."""
        return (
            None if {"map", "precision"} <= task.truth.keys() else f"{task.name} was not generated: no truth is known"
        )

    def prepare(self, task: Task, seed: int) -> None:
        """Take the generator's parameters."""
        self.load_state({name: as_tensor(task.truth[name]) for name in ("map", "precision")})

    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents of the highest posterior."""
        images = self._documents @ self._map.T
        prior = -(images.square() @ self._precision) / 2
        asked = as_tensor(queries.vectors, self.device).flatten(1) * self._precision
        documents = torch.cat([images, prior[:, None]], dim=1)
        return search(torch.cat([asked, torch.ones_like(asked[:, :1])], dim=1), documents, k, self._order)

    def state(self) -> dict[str, Tensor]:
        """Return the generator's map (D, D) and precision (D,)."""
        return {"map": self._map.cpu(), "precision": self._precision.cpu()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take what `state` returned."""
        self._map = state["map"].to(self.device)
        self._precision = state["precision"].to(self.device)
