"""Several codes per query: the best of C linear views answers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nvf.systems import Diagnosis, Inspection, PairBatch, PairSystem, Ranking, Split, TrainParams, param, register


@dataclass(frozen=True, kw_only=True, slots=True)
class Params(TrainParams):
    """Guesses: nothing was measured."""

    codes: int = param(4, low=1, high=64, log=True, doc="views of the query; 1 is one linear head on it")
    temperature: float = param(0.05, low=0.005, high=1.0, log=True, doc="temperature of InfoNCE")


class Codes(nn.Module):
    """q -> q + W_c q for each of C codes; W starts near 0, so that epoch 0 is nearly the raw encoder."""

    def __init__(self, dim: int, codes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.01 * torch.randn(codes, dim, dim) / dim**0.5)

    def forward(self, queries: Tensor) -> Tensor:
        """Return (B, C, D) of length 1."""
        return F.normalize(queries[:, None] + torch.einsum("bd,cde->bce", queries, self.weight), dim=-1)


@register("poly", source="Humeau et al., Poly-encoders, 2020", transfers=True, diagnoses=("one_code_does_it_all",))
class Poly(PairSystem[Params]):
    """score(q, d) = max over c of cos(q + W_c q, d), trained over the whole corpus."""

    def build(self) -> Codes:
        """Return the codes."""
        return Codes(self.corpus.dim, self.params.codes)

    def scores(self, queries: Tensor, documents: Tensor) -> Tensor:
        """Return (B, M)."""
        return (self.network(queries) @ documents.T).amax(1)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Return the loss over the corpus."""
        over = self.compete(batch, "corpus")
        scores = self.scores(batch.queries, self.documents.unit(over.rows))
        return {self.params.loss: over.loss(scores, self.params.temperature)}

    @torch.no_grad()
    def inspect(self, split: Split, ranking: Ranking) -> Inspection:
        """Return the share of the queries that one code answers."""
        found = self.documents.unit(ranking.rows[:, 0])
        used = (self.network.eval()(self.vectors(split.queries)) @ found.unsqueeze(-1)).squeeze(-1).argmax(1).bincount()
        share = float(used.max() / used.sum())
        text = f"one of {self.params.codes} codes answers {share:.1%} of the queries; take fewer"
        one = [Diagnosis("one_code_does_it_all", share, 0.99, text)] if self.params.codes > 1 and share > 0.99 else []
        return Inspection({"largest_code": share}, one)
