"""Covariance isotropy: the same variance in every direction of the batch."""

from __future__ import annotations

import torch
from torch import Tensor


def covariance(vectors: Tensor) -> Tensor:
    """Return how far the covariance of a batch is from a multiple of the identity.

    For vectors x_1 ... x_B of mean m,

        C = 1 / (B - 1) * sum over b of (x_b - m)(x_b - m)^T,    s = trace(C) / D,    loss = ||C - s I||_F / D.

    The identity is scaled by the batch's own mean variance s, so that the loss asks for a round cloud, not for one of a
    given size. Where B <= D it cannot reach 0: a covariance of B - 1 directions has a Frobenius distance of at least
    s * sqrt(D * (D / (B - 1) - 1)) from s I.

    Parameters
    ----------
    vectors
        (B, D). A single vector has no covariance, and counts as round.

    Returns
    -------
    Tensor
        A scalar at least 0: 0 for a round cloud, and for one that has collapsed into a point (the spread is another
        loss's business, or a standardisation's).

    Examples
    --------
    >>> covariance(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).item()  # C = diag(2, 0), s = 1: sqrt(2) / 2
    0.7071067690849304

    Notes
    -----
    The isotropy term of the research notes ("covariance", Frobenius / D). Kin to the covariance term of Bardes, Ponce
    and LeCun, VICReg, ICLR 2022, equation 4, which leaves the diagonal out.
    """
    centred = vectors - vectors.mean(0)
    cov = centred.T @ centred / max(1, len(vectors) - 1)
    round_ = cov.diagonal().mean() * torch.eye(cov.shape[0], dtype=cov.dtype, device=cov.device)
    distance: Tensor = torch.linalg.vector_norm(cov - round_)
    return distance / cov.shape[0]
