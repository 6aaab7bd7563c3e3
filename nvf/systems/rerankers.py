"""Rerankers: a closer look at K candidates of one query.

All kinds share one form. With t the query as stage one transformed it, x the raw query, T stage one's temperature, and
s one of t and x (`sees`),

    v = s + W x                                           the query that is compared
    score(c) = t . c / T + (W x) . c / T + mlp(features(v, c)).

By default all three terms are there, s is t, and W and the last layer of the mlp start at 0: an untrained reranker
keeps stage one's order and learns to correct it. W x gives back what a rank-limited stage one could not see. The kind
`bilinear` has no mlp: it is the smallest that can learn.

The published reranker (seeds 000 and 002) is the third term alone, `prior` and `view` false, drawn as torch draws it,
over the raw query; nothing kept it from ranking where it was worse than stage one (`gated` false).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nvf import seeding
from nvf.params import param
from nvf.types import IntArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """How the reranker is shaped and trained.

    Kind, hidden, dropout, lr, batch size and epochs are the published point (seed 000). Patience and the held-out share
    are ours, since "early stopping" came without a number; so is what differs from what is marked as published.
    """

    kind: str = param(
        "difference",
        choices=("concatenation", "difference", "cross_attention", "bilinear"),
        doc="what is compared: [q, c], [q, c, q-c, q*c], the query's attention to its candidates, or W x and c",
    )
    prior: bool = param(True, doc="whether stage one's own score is added; published: false")
    view: bool = param(
        True, doc="whether a matrix W gives it the raw query besides; bilinear is that matrix; published: false"
    )
    sees: str = param(
        "transformed",
        choices=("transformed", "raw"),
        doc="the query that it compares: as stage one transformed it, or as it came; published: raw",
    )
    initial: str = param(
        "zero",
        choices=("zero", "default"),
        doc="its last layer and W at the start: 0, or as torch draws them; published: default",
    )
    gated: bool = param(
        True,
        doc="whether stage one's order stands until it is beaten on held-out queries; otherwise the best reranker "
        "always ranks; published: false",
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
        self.kind, self.prior, self.sees = params.kind, params.prior, params.sees
        self.view = nn.Linear(dim, dim, bias=False) if params.view or self.kind == "bilinear" else None
        self.mlp = None if self.kind == "bilinear" else self._mlp(params, dim)
        last = None if self.mlp is None else self.mlp[-1]
        for layer in (self.view, last) if params.initial == "zero" else ():
            for parameter in () if layer is None else layer.parameters():
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
        looked = None if self.view is None else self.view(raw)
        terms = [term for term in (transformed if self.prior else None, looked) if term is not None]
        scores = candidates.new_zeros(candidates.shape[:2])
        if terms:
            scores = torch.einsum("bd,bkd->bk", sum(terms[1:], terms[0]), candidates) / temperature
        if self.mlp is None:
            return scores
        seen = transformed if self.sees == "transformed" else raw
        correction: Tensor = self.mlp(self._features(seen if looked is None else seen + looked, candidates))
        return scores + correction.squeeze(-1)

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


def hold_out(rows: IntArray, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """Return those of the training queries at `rows` that rerankers learn from, and the `share` that judges them."""
    drawn = np.random.default_rng(seeding.derive("held out", seed)).permutation(rows)
    held_out = max(1, round(share * len(drawn))) if len(drawn) > 1 else 0
    return np.sort(drawn[held_out:]), np.sort(drawn[:held_out])


class Judged(nn.Module):
    """What is remembered of the rerankers that held-out queries have judged.

    `reranks` says whether the best one ranks, or stage one's order stands; `to_beat` is the held-out figure that the
    next one must exceed (-1 before there was one), `stale` the epochs since the last that did.
    """

    reranks: Tensor
    to_beat: Tensor
    stale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("reranks", torch.tensor(False))
        self.register_buffer("to_beat", torch.tensor(-1.0))
        self.register_buffer("stale", torch.tensor(0))
        self.register_load_state_dict_pre_hook(_as_before)  # type: ignore[no-untyped-call]

    def better(self, score: Tensor | float) -> bool:
        """Return whether `score` exceeds what there was, and then remember it; else count a stale epoch."""
        if float(score) <= float(self.to_beat):
            self.stale += 1
            return False
        self.await_more_than(score)
        return True

    def await_more_than(self, score: Tensor | float) -> None:
        """Set what the next reranker must exceed."""
        self.to_beat.fill_(score)
        self.stale.zero_()


def _as_before(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Let a checkpoint without `reranks` rank by its reranker: one that was not kept then had weights of 0."""
    state.setdefault(f"{prefix}reranks", torch.tensor(True))
