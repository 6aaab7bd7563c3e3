"""A trained head on the frozen encoder: its parameters, its network, and what a batch of it is asked for.

A head maps a vector of length 1 to D' numbers of mean square about 1, in one of two formulations:

    n01   z = (f(x) - mean) / deviation                   nearest by Euclidean distance
    l2    z = sqrt(D') * n01(x) / |n01(x)|                nearest by cosine, which then is Euclidean distance too

Both lie on the scale of N(0, I), so that a weight of a loss means the same in both.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nvf.losses.covariance import covariance
from nvf.losses.sigreg import sigreg
from nvf.params import nested, param
from nvf.systems.candidates import Mining, PairParams

EPSILON = 1e-8
"""Added to a variance before its root is divided by; small beside the 1e-4 that an untrained head has at D = 384."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadParams(PairParams):
    """How a head is shaped and trained: 2 layers, D -> 2D -> D', with dropout 0.1 (research notes).

    Learning rate and batch size are those of ISO15_PRED12, the published winner.
    """

    out: int | None = param(None, low=1, high=8192, log=True, doc="D', width of the embedding; null: the encoder's own")
    formulation: str = param(
        "l2", choices=("l2", "n01"), doc="standardise and normalise (cosine), or only standardise (Euclidean distance)"
    )
    dropout: float = param(0.1, low=0.0, high=0.9, doc="share of the hidden values dropped in training")
    lr: float = param(5e-4, low=1e-6, high=0.1, log=True, doc="learning rate of Adam")
    batch_size: int = param(16, low=1, high=65_536, log=True, doc="training queries per step")
    train_share: float = param(
        1.0, low=0.001, high=1.0, log=True, doc="share of the training queries that is used; less is part of more"
    )
    epochs: int | None = param(
        None, low=1, high=10_000, log=True, doc="epochs after which it stops learning; null: the budget's"
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class IsotropyParams(HeadParams):
    """And how round the cloud of embeddings is asked to be."""

    isotropy: str = param("covariance", choices=("covariance", "sigreg"), doc="what is asked of the cloud")
    sigreg_slices: int = param(256, low=1, high=8192, log=True, doc="directions of sigreg, drawn anew at each step")
    lambda_isotropy: float = param(1.5, low=0.0, high=100.0, doc="weight of isotropy; 0 leaves it out")


@dataclass(frozen=True, kw_only=True, slots=True)
class ContrastParams(IsotropyParams):
    """And what a query's document competes with. The temperature came without a number, and 0.05 is ours."""

    lambda_contrastive: float = param(0.0, low=0.0, high=100.0, doc="weight of InfoNCE in the batch; 0 leaves it out")
    temperature: float = param(0.05, low=0.01, high=1.0, log=True, doc="temperature of the contrastive part")
    negatives: str = param(
        "batch",
        choices=("batch", "judged", "mined"),
        doc="whose documents the batch has: its queries' own; also what was judged irrelevant to them (grade 0), or "
        "what ranks high",
    )
    mined: Mining = nested(Mining)


class Standardise(nn.Module):
    """(x - mean) / deviation of each dimension: in training the batch's own, else those that were calibrated.

    Running averages over batches, the usual way, lag behind a head that learns fast, for nothing in the loss holds its
    mean: `projection` on NFCorpus at a learning rate of 3e-3 came to a mean cosine of 0.69 between documents by that.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("variance", torch.ones(dim))

    def forward(self, vectors: Tensor) -> Tensor:
        """Return (B, D) for vectors (B, D); one vector alone has no deviation, and is seen as calibrated."""
        mean, variance = self.mean, self.variance
        if self.training and len(vectors) > 1:
            mean, variance = vectors.mean(0), vectors.var(0)
        return (vectors - mean) / (variance + EPSILON).sqrt()

    @torch.no_grad()
    def calibrate(self, vectors: Tensor) -> None:
        """Keep mean and variance of `vectors` (N, D)."""
        self.mean.copy_(vectors.mean(0))
        if len(vectors) > 1:
            self.variance.copy_(vectors.var(0))


class Head(nn.Module):
    """mlp, standardise, and in the formulation l2 normalise; see the head of this file."""

    def __init__(self, params: HeadParams, dim: int) -> None:
        super().__init__()
        out = params.out or dim
        self.formulation = params.formulation
        self.mlp = mlp(dim, out, params.dropout)
        self.standardise = Standardise(out)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return (B, D') for vectors (B, D) of length 1."""
        standardised: Tensor = self.standardise(self.mlp(vectors))
        return formulate(standardised, self.formulation)

    @torch.no_grad()
    def calibrate(self, vectors: Tensor) -> None:
        """Standardise by `vectors` (N, D) from here on, wherever nothing is trained."""
        self.eval()
        self.standardise.calibrate(self.mlp(vectors))


def slow(head: Head) -> Head:
    """Return a copy of `head` that takes no gradient: a target, to `follow` it."""
    return copy.deepcopy(head).requires_grad_(False)


@torch.no_grad()
def follow(target: Head, head: Head, keep: float) -> None:
    """Move `target` towards `head`, by an exponential average of which it keeps the share `keep`."""
    for value, to in zip(target.parameters(), head.parameters(), strict=True):
        value.lerp_(to, 1 - keep)


@torch.no_grad()
def aimed_at(target: Head, vectors: Tensor) -> Tensor:
    """Return (B, D') a target head's view of vectors (B, D): without dropout, standardised as other heads are now."""
    target.mlp.eval()
    embedded: Tensor = target(vectors)
    return embedded


def mlp(dim: int, out: int, dropout: float) -> nn.Sequential:
    """Return the 2 layers dim -> 2 dim -> out of heads, predictors and corrections."""
    return nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * dim, out))


def formulate(vectors: Tensor, formulation: str) -> Tensor:
    """Return vectors (..., D') as they are (n01), or at the length sqrt(D') (l2)."""
    return vectors if formulation == "n01" else vectors.shape[-1] ** 0.5 * F.normalize(vectors, dim=-1)


def similarity(queries: Tensor, documents: Tensor) -> Tensor:
    """Return (B, M) -|q - d|^2 / (2 D') of queries (B, D') and documents (M, D'): in the formulation l2, cosine - 1."""
    squares = queries.square().sum(1)[:, None] + documents.square().sum(1)
    return (queries @ documents.T - squares / 2) / queries.shape[1]


def isotropy(params: IsotropyParams, vectors: Tensor, generator: torch.Generator) -> Tensor:
    """Return how far embeddings (B, D') are from what `params.isotropy` asks; `generator` draws sigreg's directions."""
    if params.isotropy == "covariance":
        return covariance(vectors)
    return sigreg(vectors, params.sigreg_slices, generator)
