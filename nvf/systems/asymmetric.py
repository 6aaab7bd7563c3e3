"""Asymmetric projections: one head for queries, another for documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from nvf.losses.info_nce import info_nce
from nvf.losses.predictive import predictive
from nvf.params import param
from nvf.systems import register
from nvf.systems.embedding import Embedding, Matched, Parts
from nvf.systems.head import ContrastParams, Head, aimed_at, follow, isotropy, mlp, similarity, slow


@dataclass(frozen=True, kw_only=True, slots=True)
class Params(ContrastParams):
    """The published point: contrastive only, which the notes advise to mend by what `jepa` has.

    That is isotropy 1.5, prediction 1.2, EMA 0.999.
    """

    lambda_contrastive: float = param(1.0, low=0.0, high=100.0, doc="weight of InfoNCE in the batch; 0 leaves it out")
    lambda_predictive: float = param(0.0, low=0.0, high=100.0, doc="weight of the prediction; 0 leaves it out")
    lambda_isotropy: float = param(0.0, low=0.0, high=100.0, doc="weight of isotropy; 0 leaves it out")
    ema: float = param(
        0.0, low=0.0, high=1.0, doc="share that the prediction's target head keeps at each step; 0 has no such head"
    )


@register(
    "asymmetric",
    summary="one head for queries, another for documents; InfoNCE in the batch, and what jepa has where it has weight",
    source="seed 004 (Asymmetric Projections)",
)
class Asymmetric(Embedding[Params]):
    """z_q = query head(q) ranks z_d = document head(d); predictor and target head, where there are any, only train.

        loss = lambda_contrastive * InfoNCE(-|z_q - z_d|^2 / (2 D' T))
             + lambda_predictive * |predictor(z_q) - stop(target(d))|^2 / D'
             + lambda_isotropy * (isotropy(z_q of the queries) + isotropy(z_d of their documents)) / 2

    The target is the exponential average of the document head, or without one (`ema` 0) z_d itself.

    Published as failed: 0.3235 after epoch 1, 0.1888 after epoch 3, and embedding collapse suspected.
    """

    def build(self) -> nn.ModuleDict:
        """Return both heads, the predictor, and the target head where there is one."""
        width = self.params.out or self.corpus.dim
        heads = {name: Head(self.params, self.corpus.dim) for name in ("query", "document")}
        target = {"target": slow(heads["document"])} if self.params.ema else {}
        return nn.ModuleDict({**heads, "predictor": mlp(width, width, self.params.dropout), **target})

    def _parts(self, batch: Matched) -> Parts:
        params = self.params
        queries, documents = self._query(batch.queries), self._document(batch.documents)
        return {
            "contrastive": lambda: info_nce(
                similarity(queries, documents), batch.targets, temperature=params.temperature, others=batch.others
            ),
            "predictive": lambda: predictive(
                self.network["predictor"](queries), self._target(batch, documents)[batch.targets]
            ),
            "isotropy": lambda: (
                (isotropy(params, queries, self._slices) + isotropy(params, documents, self._slices)) / 2
            ),
        }

    def _target(self, batch: Matched, documents: Tensor) -> Tensor:
        return aimed_at(cast(Head, self.network["target"]), batch.documents) if self.params.ema else documents

    def after_step(self) -> None:
        """Move the target head, where there is one, towards the document head."""
        super().after_step()
        if self.params.ema:
            follow(cast(Head, self.network["target"]), cast(Head, self.network["document"]), self.params.ema)

    def _calibrate(self, queries: Tensor, documents: Tensor) -> None:
        for name, head in self.network.items():
            if isinstance(head, Head):
                head.calibrate(queries if name == "query" else documents)

    def _query(self, vectors: Tensor) -> Tensor:
        embedded: Tensor = self.network["query"](vectors)
        return embedded

    def _document(self, vectors: Tensor) -> Tensor:
        embedded: Tensor = self.network["document"](vectors)
        return embedded
