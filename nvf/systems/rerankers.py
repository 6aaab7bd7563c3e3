"""Rerankers: a closer look at K candidates of one query.

All kinds share one form. With t the query as stage one transformed it, x the raw query and T stage one's temperature,

    v = t + W x                                 the query as the reranker sees it
    score(c) = v . c / T + mlp(features(v, c))  t . c / T is stage one's own logit

W and the last layer of the mlp start at 0, so that an untrained reranker keeps stage one's order and learns to correct
it. The kind `bilinear` has no mlp: it is the smallest that can learn. W x gives back what a rank-limited stage one
could not see; and because t comes first, the reranker never has to learn a hidden map of the query again, which one
that sees the raw query alone would have to.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nvf.params import param


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """How the reranker is shaped and trained.

    Kind, hidden, dropout, lr, batch size and epochs are the published point (seed 000); patience and the held-out share
    are ours, since "early stopping" came without a number.
    """

    kind: str = param(
        "difference",
        choices=("concatenation", "difference", "cross_attention", "bilinear"),
        doc="what is compared: [q, c], [q, c, q-c, q*c], the query's attention to its candidates, or W x and c",
    )
    hidden: int = param(128, low=2, high=4096, log=True, doc="width of its first layer; the second has half")
    dropout: float = param(0.1, low=0.0, high=0.9, doc="share of its hidden values dropped in training")
    lr: float = param(1e-3, low=1e-6, high=0.1, log=True, doc="learning rate of Adam")
    batch_size: int = param(256, low=1, high=65_536, log=True, doc="training queries per step")
    epochs: int = param(50, low=1, high=10_000, log=True, doc="epochs after stage one's, at most")
    patience: int = param(3, low=1, high=1000, doc="epochs without a better held-out Success@1 after which it stops")
    held_out: float = param(0.1, low=0.01, high=0.5, doc="share of the training queries kept from both stages for that")


class Reranker(nn.Module):
    """Scores for the candidates of a query; see the head of this file."""

    def __init__(self, params: Params, dim: int) -> None:
        super().__init__()
        self.kind = params.kind
        self.view = nn.Linear(dim, dim, bias=False)
        self.mlp = None if self.kind == "bilinear" else self._mlp(params, dim)
        self.mute()

    def mute(self) -> None:
        """Take it back to stage one's own order."""
        last = () if self.mlp is None else self.mlp[-1].parameters()
        for parameter in (self.view.weight, *last):
            nn.init.zeros_(parameter)

    def _mlp(self, params: Params, dim: int) -> nn.Sequential:
        hidden = params.hidden
        if self.kind == "cross_attention":
            self.query, self.key, self.value = (nn.Linear(dim, hidden, bias=False) for _ in range(3))
        width = {"concatenation": 2 * dim, "difference": 4 * dim, "cross_attention": 3 * hidden}[self.kind]
        return nn.Sequential(
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.Dropout(params.dropout),
            nn.Linear(hidden, hidden // 2),
            nn.ReLU(),
            nn.Linear(hidden // 2, 1),
        )

    def forward(self, transformed: Tensor, raw: Tensor, candidates: Tensor, temperature: Tensor) -> Tensor:
        """Return (B, K) scores.

        Parameters
        ----------
        transformed
            (B, D) the query as stage one transformed it, of length 1.
        raw
            (B, D) the query as it came.
        candidates
            (B, K, D) documents of length 1.
        temperature
            Scalar, stage one's.
        """
        query = transformed + self.view(raw)
        prior = torch.einsum("bd,bkd->bk", query, candidates) / temperature
        if self.mlp is None:
            return prior
        correction: Tensor = self.mlp(self._features(query, candidates))
        return prior + correction.squeeze(-1)

    def _features(self, query: Tensor, candidates: Tensor) -> Tensor:
        if self.kind == "cross_attention":
            return self._attended(query, candidates)
        query = query[:, None].expand_as(candidates)
        if self.kind == "concatenation":
            return torch.cat([query, candidates], dim=-1)
        return torch.cat([query, candidates, query - candidates, query * candidates], dim=-1)

    def _attended(self, query: Tensor, candidates: Tensor) -> Tensor:
        """Return (B, K, 3 hidden): match of query and candidate, its value, and all values by the query's attention."""
        match = self.query(query)[:, None] * self.key(candidates)
        value = self.value(candidates)
        weight = (match.sum(-1, keepdim=True) / match.shape[-1] ** 0.5).softmax(dim=1)
        context = (weight * value).sum(1, keepdim=True).expand_as(value)
        return torch.cat([match, value, context], dim=-1)
