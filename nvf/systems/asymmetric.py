"""Asymmetric projections: one head for queries, another for documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from nvf.losses.info_nce import info_nce
from nvf.losses.predictive import predictive
from nvf.params import param
from nvf.systems.embedding import Embedding, Matched, Parts
from nvf.systems.head import Head, HeadParams, mlp, similarity


@dataclass(frozen=True, kw_only=True, slots=True)
class Params(HeadParams):
    """The published point: contrastive only, which the notes advise to mend by a predictor.

    The temperature came without a number, and 0.05 is ours.
    """

    lambda_contrastive: float = param(1.0, low=0.0, high=100.0, doc="weight of InfoNCE in the batch; 0 leaves it out")
    lambda_predictive: float = param(0.0, low=0.0, high=100.0, doc="weight of the prediction; 0 leaves it out")
    temperature: float = param(0.05, low=0.01, high=1.0, log=True, doc="temperature of the contrastive part")


class Asymmetric(Embedding):
    """z_q = query head(q) ranks z_d = document head(d); a predictor, where it has a weight, only trains.

        loss = lambda_contrastive * InfoNCE(-|z_q - z_d|^2 / (2 D' T))
             + lambda_predictive * |predictor(z_q) - stop(z_d)|^2 / D'

    Published as failed: 0.3235 after epoch 1, 0.1888 after epoch 3, and embedding collapse suspected.
    """

    name = "asymmetric"
    summary = "one head for queries, another for documents; InfoNCE in the batch, and a predictor where it has a weight"
    source = "seed 004 (Asymmetric Projections)"
    Params = Params

    def _build(self) -> nn.ModuleDict:
        width = self.params.out or self.corpus.dim
        heads = {name: Head(self.params, self.corpus.dim) for name in ("query", "document")}
        return nn.ModuleDict({**heads, "predictor": mlp(width, width, self.params.dropout)})

    def _parts(self, batch: Matched) -> Parts:
        params = self.params
        queries, documents = self._query(batch.queries), self._document(batch.documents)
        return {
            "contrastive": lambda: info_nce(
                similarity(queries, documents), batch.targets, temperature=params.temperature, others=batch.others
            ),
            "predictive": lambda: predictive(self._heads["predictor"](queries), documents[batch.targets]),
        }

    def _calibrate(self, queries: Tensor, documents: Tensor) -> None:
        cast(Head, self._heads["query"]).calibrate(queries)
        cast(Head, self._heads["document"]).calibrate(documents)

    def _query(self, vectors: Tensor) -> Tensor:
        embedded: Tensor = self._heads["query"](vectors)
        return embedded

    def _document(self, vectors: Tensor) -> Tensor:
        embedded: Tensor = self._heads["document"](vectors)
        return embedded
