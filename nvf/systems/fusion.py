"""Stage two over any first stage: its scores, the cosine, and a reranker's correction."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from nvf.systems import rerankers

TEMPERATURE = 0.05
"""What the reranker's dot products are divided by; the default of `soft_attention`, whose temperature it else takes."""


class Fusion(nn.Module):
    """Score candidates by what the first stage says, and what can be seen beside.

        score(c) = a z(s)(c) + b z(cos)(c) + (W x) . c / T + mlp(features(x + W x, c)),

    with s the first stage's score, cos the raw cosine of query x and candidate c, z their standard score among the
    candidates of a query, and the rest a reranker of `nvf.systems.rerankers`. a starts at 1 and all else at 0, so that
    it learns from the first stage's order on. A reranker without its prior leaves a and b out. Standard scores, because
    first stages score in units of their own, and one that was fitted to fewer queries in others than the one fitted to
    all.
    """

    def __init__(self, params: rerankers.Params, dim: int) -> None:
        super().__init__()
        self.reranker = rerankers.Reranker(params, dim)
        self.weights = nn.Parameter(torch.tensor([1.0, 0.0]))

    def forward(self, queries: Tensor, candidates: Tensor, scores: Tensor) -> Tensor:
        """Return (B, K) scores, -inf where there is no candidate.

        Parameters
        ----------
        queries
            (B, D) of length 1.
        candidates
            (B, K, D) documents of length 1.
        scores
            (B, K) the first stage's, -inf where there is no candidate.
        """
        there = scores > -torch.inf
        cosines = torch.einsum("bd,bkd->bk", queries, candidates)
        temperature = cosines.new_tensor(TEMPERATURE)
        fused: Tensor = self.reranker(queries, queries, candidates, temperature)
        if self.reranker.prior:
            first, beside = (standardised(each, there) for each in (scores, cosines))
            fused = self.weights[0] * first + self.weights[1] * beside + (fused - cosines / temperature)
        return fused.masked_fill(~there, -torch.inf)


class StageTwo(rerankers.Judged):
    """The fusion that learns, and the one that did best on held-out queries: the one that ranks, if any does."""

    def __init__(self, params: rerankers.Params, dim: int) -> None:
        super().__init__()
        self.learning = Fusion(params, dim)
        self.best = copy.deepcopy(self.learning).requires_grad_(False)


def standardised(scores: Tensor, there: Tensor) -> Tensor:
    """Return (B, K) scores less their mean, over their standard deviation, of those that are `there`; 0 elsewhere."""
    count = there.sum(1, keepdim=True).clamp(min=1)
    known = scores.masked_fill(~there, 0.0)
    centred = (known - known.sum(1, keepdim=True) / count).masked_fill(~there, 0.0)
    spread = (centred.square().sum(1, keepdim=True) / count).sqrt()
    return centred / spread.clamp(min=1e-6)
