"""A projection head that is asked for nothing but a round cloud: the published baseline."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from nvf.params import param
from nvf.systems import register
from nvf.systems.embedding import Embedding, Matched, Parts
from nvf.systems.head import Head, IsotropyParams, isotropy


@dataclass(frozen=True, kw_only=True, slots=True)
class Params(IsotropyParams):
    """The published baseline: isotropy alone, learning rate 1e-3."""

    lambda_isotropy: float = param(1.0, low=0.0, high=100.0, doc="weight of isotropy, the only part of the loss")
    lr: float = param(1e-3, low=1e-6, high=0.1, log=True, doc="learning rate of Adam")


@register(
    "projection",
    summary="one head for both, trained for isotropy alone",
    source="seed 004 (MPNet + Projection)",
)
class Projection(Embedding[Params]):
    """z = head(x) for queries and documents alike; no judgement is looked at, only which texts were asked and found.

        loss = lambda_isotropy * isotropy(z of the queries and their documents)

    Published: 0.4628, the average of SciFact and NFCorpus, where the encoder itself has 0.494.
    """

    def build(self) -> nn.ModuleDict:
        """Return the head."""
        return nn.ModuleDict({"head": Head(self.params, self.corpus.dim)})

    def _parts(self, batch: Matched) -> Parts:
        embedded = self.network["head"](torch.cat([batch.queries, batch.documents]))
        return {"isotropy": lambda: isotropy(self.params, embedded, self._slices)}
