"""What every system has in common that learns from pairs: a query and one of the documents that are relevant to it.

`PairSystem` is for whatever scores documents. Where the score is a dot product, there is less to say: `QuerySystem` is
for a network on the query alone, `DualSystem` for one on both sides.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import TypeVar

from nvf import seeding
from nvf.indexes.exact import search
from nvf.losses import LOSSES
from nvf.params import param
from nvf.systems import candidates
from nvf.systems.base import System
from nvf.systems.candidates import Candidates, PairParams
from nvf.systems.documents import Documents, in_blocks, stacked
from nvf.systems.pairs import PairBatch, Pairs, held_out_losses, needs_pairs
from nvf.systems.ranking import rank_in_blocks
from nvf.tasks.base import Corpus, Split, Task
from nvf.types import Queries, Ranking, as_tensor

P = TypeVar("P", bound=PairParams, default=Any)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainParams(PairParams):
    """How a system learns from pairs: what a new one may begin its own parameters with."""

    lr: float = param(1e-3, low=1e-6, high=0.1, log=True, doc="learning rate of Adam")
    batch_size: int = param(256, low=1, high=65_536, log=True, doc="training queries per step")
    weight_decay: float = param(0.0, low=0.0, high=1.0, doc="L2 penalty on what is learned")
    train_share: float = param(
        1.0, low=0.001, high=1.0, log=True, doc="share of the training queries that is used; less is part of more"
    )
    loss: str = param("info_nce", doc="what is minimised over the candidates; info_nce, or what a package brings")


class PairSystem(System[P]):
    """A network, and a loss over training queries with a relevant document each.

    A subclass says what is learned (`build`), how it scores documents (`scores`) and what is minimised (`losses`). What
    it keeps besides the network's weights, and can make again from them, it drops in `changed`.
    """

    network: nn.Module
    """What is learned: in training mode when a batch comes from `batches`, else in evaluation mode."""
    pairs: Pairs
    """The training queries; a restored system has none."""
    seed: int
    applies_to = staticmethod(needs_pairs)

    def __init__(self, params: P, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        self.documents = Documents(corpus, self.device)
        self.network = self.build().to(self.device)
        self.changed()

    @abstractmethod
    def build(self) -> nn.Module:
        """Return what is learned, freshly drawn from torch's global generator, which the trial's seed has set."""

    def scores(self, queries: Tensor, documents: Tensor) -> Tensor:
        """Return (B, M) how well queries (B, D), as they came, are answered by documents (M, D) of length 1."""
        raise NotImplementedError

    @abstractmethod
    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Return the weighted parts of the loss by name; also called, without gradient, for held-out queries."""

    def prepare(self, task: Task, seed: int) -> None:
        """Take the training queries, and draw what is learned."""
        candidates.check(task, self.params.negatives)
        self.pairs, self.seed = Pairs(task, self.device, self.params.train_share), seed
        with seeding.forked(self.name, seed):
            self.network = self.build().to(self.device)
        self.changed()

    def module(self) -> nn.Module:
        """Return the network."""
        return self.network

    def epochs(self, limit: int) -> int:
        """Return the budget, or the parameter `epochs` where that is less."""
        return min(limit, self.params.epochs or limit)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return one group: whatever takes a gradient."""
        learned = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        return [{"params": learned, "lr": self.params.lr, "weight_decay": self.params.weight_decay}]

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """Yield every training query once, with hard negatives where it has such."""
        candidates.mine(self.pairs, self.params.negatives, self.params.mined, self.documents, self.rank)
        for batch in self.pairs.batches(self.params.batch_size, self.seed, epoch):
            self.network.train()
            yield batch

    def compete(self, batch: PairBatch, negatives: str | None = None) -> Candidates:
        """Return the documents that a batch competes over, by `negatives` or the parameter of that name."""
        wanted = negatives or self.params.negatives
        found = candidates.candidates(batch, len(self.documents), wanted, self.params.sample)
        return replace(found, by=LOSSES.find(self.params.loss))

    def vectors(self, queries: Queries) -> Tensor:
        """Return queries (Q, D), or windows (Q, C, D), as they came, on the device."""
        return as_tensor(queries.vectors, self.device)

    def held_out_losses(self, split: Split) -> dict[str, float]:
        """Return the parts on `split`."""
        self.network.eval()
        return held_out_losses(split, self.params.batch_size, self.device, self.losses)

    @torch.no_grad()
    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents of the highest score; equal documents have equal scores."""
        self.network.eval()
        return rank_in_blocks(queries, k, self.documents.order, self._corpus_scores)

    def _corpus_scores(self, queries: Queries) -> Tensor:
        asked, every = self.vectors(queries), torch.arange(len(self.documents), device=self.device)
        scores = torch.cat([self.scores(asked, self.documents.unit(rows)) for rows in in_blocks(every)], dim=1)
        again, first = self.documents.same
        scores[:, again] = scores[:, first]
        return scores


class QuerySystem(PairSystem[P]):
    """A network on the query alone: score(q, d) = asked(q) . d, with documents d of length 1."""

    @abstractmethod
    def asked(self, queries: Tensor) -> Tensor:
        """Return (B, D) what is searched with for queries (B, D), or windows (B, C, D), as they came."""

    def scores(self, queries: Tensor, documents: Tensor) -> Tensor:
        """Return (B, M) the dot products."""
        return self.asked(queries) @ documents.T

    @torch.no_grad()
    def predict(self, queries: Queries) -> Tensor:
        """Return (Q, D) what is searched with, in evaluation mode and without gradient."""
        self.network.eval()
        return self.asked(self.vectors(queries))

    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents of the highest dot product."""
        return self.documents.search(self.predict(queries), k)


class DualSystem(QuerySystem[P]):
    """A network on both sides: score(q, d) = asked(q) . answers(d)."""

    _answers: Tensor | None

    @abstractmethod
    def answers(self, documents: Tensor) -> Tensor:
        """Return (M, D') where documents (M, D) of length 1 are found."""

    def scores(self, queries: Tensor, documents: Tensor) -> Tensor:
        """Return (B, M) the dot products."""
        return self.asked(queries) @ self.answers(documents).T

    def unit(self, rows: Tensor) -> Tensor:
        """Return (M, D) the documents at `rows`, scaled to length 1."""
        return self.documents.unit(rows)

    def changed(self) -> None:
        """Forget the transformed corpus."""
        self._answers = None

    @torch.no_grad()
    def answering(self) -> Tensor:
        """Return (N, D') the whole corpus, transformed at the first call after a change."""
        self.network.eval()
        if self._answers is None:
            rows = in_blocks(torch.arange(len(self.documents), device=self.device))
            self._answers = stacked((self.answers(self.unit(block)) for block in rows), len(self.documents))
        return self._answers

    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents of the highest dot product."""
        return search(self.predict(queries), self.answering(), k, self.documents.order, same=self.documents.same)
