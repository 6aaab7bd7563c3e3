"""What every predictor of the next vector has in common: its objective, its ranking, its diagnoses.

A predictor maps a window (C, D) to a unit vector p in the space of the documents, and ranks them by cosine. With t the
true next vector,

    loss = lambda_infonce * InfoNCE(cos(e(p), e(documents)) / temperature) + lambda_ar * (1 - cos(p, t)),

where e is a projection head that only `lvm` may have; without one both parts work on raw vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from typing_extensions import TypeVar

from nvf.diagnostics.next_vector import memorisation
from nvf.errors import ParamsError
from nvf.losses.autoregressive import autoregressive
from nvf.params import param
from nvf.systems import candidates
from nvf.systems.base import Inspection
from nvf.systems.documents import in_blocks
from nvf.systems.pair_system import QuerySystem
from nvf.systems.pairs import PairBatch
from nvf.systems.windows import COPY, as_windows, copies_in, needs_training_windows
from nvf.tasks.base import Corpus, Split, Task
from nvf.types import Queries, Ranking

BLOCK = 1024
"""How many windows are predicted from at once."""
SAMPLE = 1024
"""How many windows of a split the diagnoses look at."""
NEARBY = 8
"""How many of the vectors nearest to the next one are negatives, where they are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective(candidates.PairParams):
    """What is minimised, and how. Learning rate and batch size are ours: the research notes give none."""

    lambda_infonce: float = param(0.0, low=0.0, high=100.0, doc="weight of InfoNCE")
    lambda_ar: float = param(1.0, low=0.0, high=100.0, doc="weight of the autoregressive cosine on raw vectors")
    temperature: float = param(0.07, low=0.01, high=1.0, log=True, doc="temperature of InfoNCE")
    negatives: str = param(
        "batch",
        choices=("batch", "context", "nearby", "corpus"),
        doc="what the next vector competes with: those of the batch; these and its own context; these and the vectors "
        "nearest to it; or the corpus",
    )
    sample: int | None = param(None, low=1, high=10_000_000, log=True, doc=candidates.SAMPLE)
    lr: float = param(1e-3, low=1e-6, high=0.1, log=True, doc="learning rate of Adam")
    batch_size: int = param(256, low=1, high=65_536, log=True, doc="training windows per step")


P = TypeVar("P", bound=Objective, default=Any)


class NextVector(QuerySystem[P]):
    """A predictor: a subclass builds it, (B, C, D) -> (B, D) of length 1; the rest is here."""

    transfers = True
    diagnoses = ("memorisation",)
    _train: Split | None = None
    _near: Tensor | None = None
    applies_to = staticmethod(needs_training_windows)

    def __init__(self, params: P, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        if params.lambda_infonce == params.lambda_ar == 0:
            raise ParamsError("lambda_infonce = 0 and lambda_ar = 0 leave nothing to learn: give one of them a weight")
        super().__init__(params, corpus, device)

    def embed(self, vectors: Tensor, predicted: bool) -> Tensor:
        """Return e(vectors) of length 1 for InfoNCE, vectors (..., D) being `predicted` or documents."""
        return vectors

    def prepare(self, task: Task, seed: int) -> None:
        """Take the training windows and draw the predictor."""
        super().prepare(task, seed)
        self._train = task.train
        self._near = self._nearby(task.train) if self.params.negatives == "nearby" else None

    def asked(self, queries: Tensor) -> Tensor:
        """Return (B, D) the predicted vectors, of length 1."""
        predicted: Tensor = self.network(queries)
        return predicted

    @torch.no_grad()
    def predict(self, queries: Queries) -> Tensor:
        """Return (Q, D) the predicted vectors, a block of windows at a time."""
        self.network.eval()
        windows = as_windows(queries.vectors, self.device)
        return torch.cat([self.asked(windows[at : at + BLOCK]) for at in range(0, max(1, len(windows)), BLOCK)])

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Return the parts that have a weight."""
        predictions, parts = self.asked(batch.queries), {}
        if self.params.lambda_infonce:
            parts["info_nce"] = self.params.lambda_infonce * self._contrast(predictions, batch)
        if self.params.lambda_ar:
            targets = self.documents.unit(batch.positives)
            parts["autoregressive"] = self.params.lambda_ar * autoregressive(predictions, targets)
        return parts

    @torch.no_grad()
    def inspect(self, split: Split, ranking: Ranking) -> Inspection:
        """Return the mean cosine between prediction and target, on `split` and on train; far better there, it is
        `memorisation`. A restored system knows no training windows."""
        sides = {split.name: split, **({} if self._train is None else {"train": self._train})}
        return self._compared(split.name, {name: self.aimed(each) for name, each in sides.items()})

    def _compared(self, held_out: str, aimed: Mapping[str, tuple[Tensor, Tensor]]) -> Inspection:
        """Return what predictions and targets (Q, D) say, by split."""
        cosines = {name: F.cosine_similarity(*each).mean().item() for name, each in aimed.items()}
        found = memorisation(cosines["train"], cosines[held_out]) if "train" in cosines else []
        return Inspection({f"cosine_{name}": value for name, value in cosines.items()}, found)

    def aimed(self, split: Split) -> tuple[Tensor, Tensor]:
        """Return predictions and targets, (Q, D) each, for at most `SAMPLE` windows spread over `split`."""
        relevant = split.qrels.relevant()
        judged = np.flatnonzero(np.diff(relevant.starts))
        rows = judged[np.linspace(0, len(judged) - 1, min(SAMPLE, len(judged))).astype(np.int64)]
        targets = torch.tensor(relevant.rows[relevant.starts[rows]], device=self.device)
        return self.predict(split.queries.select(rows)), self.documents.unit(targets)

    def _nearby(self, train: Split) -> Tensor:
        """Return (N, K) the rows nearest to each training target; -1 for itself, its copies, and elsewhere.

        K is `NEARBY`, and as many more as a window can have no use for: itself and what else is relevant to it.
        """
        deep = NEARBY + int(np.bincount(self.pairs.relevant(self.pairs.rows)[0]).max())
        targets = torch.from_numpy(np.unique(train.qrels.relevant().rows)).to(self.device)
        found = torch.full((len(self.documents), min(deep, len(self.documents))), -1, device=self.device)
        for rows in in_blocks(targets):
            nearest = self.documents.search(self.documents.unit(rows), deep)
            found[rows] = nearest.rows.masked_fill(nearest.scores > COPY, -1)
        return found

    def _contrast(self, predictions: Tensor, batch: PairBatch) -> Tensor:
        embedded = self.embed(predictions, predicted=True)
        over = self.compete(batch)
        scores = embedded @ self.embed(self.documents.unit(over.rows), predicted=False).T
        copies = None
        if self.params.negatives == "context":
            context = self.embed(F.normalize(batch.queries, dim=-1), predicted=False)
            copies = copies_in(batch.queries, self.documents.unit(batch.positives), scores.shape[1])
            scores = torch.cat([scores, (context @ embedded.unsqueeze(-1)).squeeze(-1)], dim=1)
        if self._near is not None:
            near = self._near[batch.positives]
            near = near.masked_fill(batch.among_others(near), -1)
            near = near.gather(1, (near < 0).int().argsort(dim=1, stable=True)[:, :NEARBY])
            known = self.embed(self.documents.unit(near.clamp_min(0)), predicted=False)
            copies = (near < 0).nonzero().T + torch.tensor([[0], [scores.shape[1]]], device=self.device)
            scores = torch.cat([scores, (known @ embedded.unsqueeze(-1)).squeeze(-1)], dim=1)
        return over.loss(scores, self.params.temperature, copies)
