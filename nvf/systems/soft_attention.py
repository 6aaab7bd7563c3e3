"""Soft attention over the corpus: peripheral vision, and stage one of `two_stage`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nvf import seeding
from nvf.params import param
from nvf.systems import candidates
from nvf.systems.base import System
from nvf.systems.documents import Documents
from nvf.systems.pairs import PairBatch, Pairs, held_out_losses, needs_pairs
from nvf.systems.transform import Transform
from nvf.tasks.base import Corpus, Split, Task
from nvf.types import Queries, Ranking, as_tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Params(candidates.Params):
    """How the query is transformed, and how that is trained.

    The seeds name these parameters without values; the defaults are ours, from `benchmarks/two_stage.py`. On a corpus
    of 1,000 documents with 20,000 queries under a hidden rotation (Bayes 0.990) the linear residual transform reaches
    0.98 within 5 epochs, and an mlp falls behind it by overfitting.
    """

    transform: str = param("linear", choices=("linear", "mlp"), doc="what moves the query")
    residual: bool = param(True, doc="whether the query itself is added, so that the start is the raw encoder")
    hidden: int = param(512, low=1, high=8192, log=True, doc="width of the mlp")
    rank: int | None = param(None, low=1, high=8192, log=True, doc="how many directions of the query it can see")
    temperature: float = param(0.05, low=0.005, high=1.0, log=True, doc="temperature of the attention")
    learn_temperature: bool = param(False, doc="whether the temperature is learned, from that start")
    dropout: float = param(0.0, low=0.0, high=0.9, doc="share of the transform's inner values dropped in training")
    lr: float = param(5e-3, low=1e-6, high=0.1, log=True, doc="learning rate of Adam")
    batch_size: int = param(256, low=1, high=65_536, log=True, doc="training queries per step")
    epochs: int = param(10, low=1, high=10_000, log=True, doc="epochs after which it stops learning")


class Attention(nn.Module):
    """The transform with its temperature."""

    def __init__(self, params: Params, dim: int) -> None:
        super().__init__()
        self.transform = Transform(
            dim,
            kind=params.transform,
            residual=params.residual,
            hidden=params.hidden,
            rank=params.rank,
            dropout=params.dropout,
        )
        start = torch.tensor(math.log(params.temperature))
        self.log_temperature = nn.Parameter(start, requires_grad=params.learn_temperature)

    @property
    def temperature(self) -> Tensor:
        """The temperature, a scalar above 0."""
        return self.log_temperature.exp()

    def forward(self, queries: Tensor) -> Tensor:
        """Return (B, D): dot products with unit documents are the logits of the attention."""
        moved: Tensor = self.transform(queries)
        return moved / self.temperature


def attention_loss(params: Params, attention: Attention, documents: Documents, batch: PairBatch) -> Tensor:
    """Return the cross-entropy of the true document under softmax over what competes, other positives masked."""
    over = candidates.candidates(batch, len(documents), params.negatives, params.sample)
    return over.loss(documents.cosines(attention(batch.queries), over.rows))


class SoftAttention(System):
    """Softmax attention of the transformed query over all documents; the ranking is the attention's order."""

    name = "soft_attention"
    summary = "query -> transform -> softmax attention over the corpus; its top k"
    source = "seeds 000 to 002; Bahdanau et al., 2015"
    Params = Params
    transfers = True

    def __init__(self, params: Any, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        self._documents = Documents(corpus, self.device)
        self._attention = Attention(params, corpus.dim).to(self.device)

    @classmethod
    def applies_to(cls, task: Task) -> str | None:
        """Return what is missing to train on."""
        return needs_pairs(task)

    def prepare(self, task: Task, seed: int) -> None:
        """Take the training queries and draw the transform."""
        candidates.check(task, self.params.negatives)
        self._pairs, self._seed = Pairs(task, self.device), seed
        with seeding.forked("soft_attention", seed):
            self._attention = Attention(self.params, self.corpus.dim).to(self.device)

    def module(self) -> nn.Module:
        """Return transform and temperature."""
        return self._attention

    def epochs(self, limit: int) -> int:
        """Return the budget, or its own `epochs` where that is less."""
        return min(limit, int(self.params.epochs))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return one group."""
        return [{"params": [p for p in self._attention.parameters() if p.requires_grad], "lr": self.params.lr}]

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """Yield every training query once."""
        candidates.mine(self._pairs, self.params.negatives, self.params.mined, self._documents, self.rank)
        return self._pairs.batches(self.params.batch_size, self._seed, epoch)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Return the cross-entropy over what `negatives` says."""
        self._attention.train()
        return self._losses(batch)

    def held_out_losses(self, split: Split) -> dict[str, float]:
        """Return the parts on `split`."""
        self._attention.eval()
        return held_out_losses(split, self.params.batch_size, self.device, self._losses)

    def _losses(self, batch: PairBatch) -> dict[str, Tensor]:
        return {"attention": attention_loss(self.params, self._attention, self._documents, batch)}

    @torch.no_grad()
    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents of the highest attention; scores are its logits."""
        self._attention.eval()
        return self._documents.search(self._attention(as_tensor(queries.vectors, self.device)), k)
