"""Soft attention over the corpus: peripheral vision, and stage one of `two_stage`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nvf.params import param
from nvf.systems import candidates, register
from nvf.systems.documents import Documents
from nvf.systems.pair_system import QuerySystem
from nvf.systems.pairs import PairBatch
from nvf.systems.transform import Transform


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


@register(
    "soft_attention",
    summary="query -> transform -> softmax attention over the corpus; its top k",
    source="seeds 000 to 002; Bahdanau et al., 2015",
    transfers=True,
)
class SoftAttention(QuerySystem[Params]):
    """Softmax attention of the transformed query over all documents; the ranking is the attention's order."""

    network: Attention

    def build(self) -> Attention:
        """Return transform and temperature."""
        return Attention(self.params, self.corpus.dim)

    def asked(self, queries: Tensor) -> Tensor:
        """Return (B, D), of which the dot products with documents are the attention's logits."""
        logits: Tensor = self.network(queries)
        return logits

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Return the cross-entropy over what `negatives` says."""
        return {"attention": attention_loss(self.params, self.network, self.documents, batch)}
