"""JEPA: an online head whose prediction from the query meets a slow target head at the document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from nvf.losses.info_nce import info_nce
from nvf.losses.predictive import predictive
from nvf.params import param
from nvf.systems import register
from nvf.systems.embedding import Embedding, Matched, Parts
from nvf.systems.head import ContrastParams, Head, aimed_at, follow, isotropy, mlp, similarity, slow


@dataclass(frozen=True, kw_only=True, slots=True)
class Params(ContrastParams):
    """ISO15_PRED12, the published winner: isotropy 1.5, predictive 1.2, no contrastive part, EMA 0.999.

    It was best after 2 of 3 epochs on 10,000 pairs, some 1,250 steps.
    """

    lambda_predictive: float = param(1.2, low=0.0, high=100.0, doc="weight of the prediction; 0 leaves it out")
    ema: float = param(0.999, low=0.0, high=1.0, doc="share that the target head keeps at each step; 0 has no average")


@register(
    "jepa",
    summary="one head for both; a predictor from the query meets a slow (EMA) target head at the document; isotropy",
    source="seed 004 (ISO15_PRED12); Assran et al., 2023 (I-JEPA); Balestriero and LeCun, 2025 (LeJEPA)",
)
class Jepa(Embedding[Params]):
    """z = head(x) ranks; a predictor and a target head, the exponential average of the head, only train.

    loss = lambda_isotropy * isotropy(z of the queries and their documents)
         + lambda_predictive * |predictor(z_q) - stop(target(d))|^2 / D'
         + lambda_contrastive * InfoNCE(-|z_q - z_d|^2 / (2 D' T))
    """

    def build(self) -> nn.ModuleDict:
        """Return head, target head and predictor."""
        head = Head(self.params, self.corpus.dim)
        width = self.params.out or self.corpus.dim
        return nn.ModuleDict(
            {
                "head": head,
                "target": slow(head),
                "predictor": mlp(width, width, self.params.dropout),
            }
        )

    def _parts(self, batch: Matched) -> Parts:
        params = self.params
        embedded = self.network["head"](torch.cat([batch.queries, batch.documents]))
        queries, documents = embedded[: len(batch.queries)], embedded[len(batch.queries) :]
        return {
            "isotropy": lambda: isotropy(params, embedded, self._slices),
            "predictive": lambda: predictive(self.network["predictor"](queries), self._target(batch)),
            "contrastive": lambda: info_nce(
                similarity(queries, documents), batch.targets, temperature=params.temperature, others=batch.others
            ),
        }

    def _target(self, batch: Matched) -> Tensor:
        """Return (B, D') the target head's view of each query's document."""
        embedded = aimed_at(cast(Head, self.network["target"]), torch.cat([batch.queries, batch.documents]))
        return embedded[len(batch.queries) :][batch.targets]

    def after_step(self) -> None:
        """Move the target head towards the head."""
        super().after_step()
        follow(cast(Head, self.network["target"]), cast(Head, self.network["head"]), self.params.ema)
