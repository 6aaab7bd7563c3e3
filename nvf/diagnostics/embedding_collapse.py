"""Embedding collapse: all embeddings become alike, or keep to few directions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nvf.types import Diagnosis

SAMPLE = 512
"""How many vectors of each side are looked at; an effective rank costs their singular values."""
ALIKE = 0.9
"""Mean cosine between different vectors above which they count as all alike. Our own choice: MiniLM's documents lie at
0.21 on NFCorpus, and standardised embeddings near 0."""
FLAT = 0.4
"""Share of the encoder's own effective rank (or of the embedding's width, where that is less) under which embeddings
count as flat. Our own choice, from NFCorpus after 2 or 3 epochs: `jepa` 0.84, `projection` 0.89, `asymmetric` 0.34 and
`jepa` without isotropy 0.19."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How a set of N vectors fills its space.

    Attributes
    ----------
    rank
        Effective rank, in [1, min(N, D)]: see `effective_rank`.
    cosine
        Mean cosine between two different vectors: near 0 where they point everywhere, 1 where they are all alike.
    uniformity
        log of the mean of exp(-2 |x - y|^2) over pairs of different vectors, at length 1: 0 where they are all alike,
        near -4 where they are spread evenly over many dimensions (Wang and Isola, ICML 2020, equation 2).
    """

    rank: float
    cosine: float
    uniformity: float


def effective_rank(vectors: Tensor) -> float:
    """Return exp of the entropy of the variances of vectors (N, D) along their principal axes, as shares of their sum.

    It is r where r of them are equal and the rest 0. After Roy and Vetterli, The effective rank, EUSIPCO 2007, who take
    deviations for variances: those told a sound head from a collapsed one less clearly (0.80 and 0.47 of the encoder's
    rank, where variances give 0.95 and 0.19: documents of NFCorpus under `jepa` with isotropy 1.5 and 0).

    >>> round(effective_rank(torch.tensor([[1.0, 0, 0], [-1.0, 0, 0], [0, 1.0, 0], [0, -1.0, 0]])), 6)
    2.0
    """
    variances = torch.linalg.svdvals(vectors - vectors.mean(0)).square()
    shares = variances / variances.sum().clamp_min(torch.finfo(variances.dtype).tiny)
    return float(torch.special.entr(shares).sum().exp())


def spread(vectors: Tensor) -> Spread:
    """Return how vectors (N, D), N at least 2, fill their space."""
    unit = F.normalize(vectors)
    cosines = unit @ unit.T
    pairs = ~torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    others = cosines[pairs]
    # |x - y|^2 = 2 - 2 cosine
    uniformity = torch.exp(4 * (others - 1)).mean().log()
    return Spread(effective_rank(vectors), float(others.mean()), float(uniformity))


def alignment(queries: Tensor, documents: Tensor) -> float:
    """Return the mean squared distance, at length 1, of each query (B, D) to its document (B, D).

    0 where they coincide, 2 where they have nothing to do with each other (Wang and Isola, ICML 2020, equation 1).
    """
    return float((F.normalize(queries) - F.normalize(documents)).square().sum(1).mean())


def embedding_collapse(side: str, raw: Spread, own: Spread, width: int, aligned: float) -> list[Diagnosis]:
    """Return the diagnosis where embeddings are all alike, or far flatter than the encoder's vectors.

    Parameters
    ----------
    side
        Whose embeddings: "query" or "document".
    raw, own
        Spread of the same texts before and after the head.
    width
        How many dimensions the embeddings have.
    aligned
        Alignment of queries and their documents after the head.
    """
    seen = (
        f"the {side} embeddings have effective rank {own.rank:.1f} (the encoder's {raw.rank:.1f}), mean cosine "
        f"{own.cosine:.3f} ({raw.cosine:.3f}), uniformity {own.uniformity:.2f} ({raw.uniformity:.2f}), alignment "
        f"{aligned:.2f}"
    )
    if own.cosine > ALIKE:
        return [Diagnosis("embedding_collapse", own.cosine, ALIKE, f"all are alike: {seen}")]
    share = own.rank / min(raw.rank, width)
    if share < FLAT:
        return [Diagnosis("embedding_collapse", share, FLAT, f"few directions are left: {seen}")]
    return []
