"""Residual penalty: small corrections."""

from __future__ import annotations

from torch import Tensor


def residual(deltas: Tensor) -> Tensor:
    """Return the mean squared length of the corrections that are added to the queries.

        loss = 1 / B * sum over b of |delta_b|^2

    It is smallest where nothing is corrected at all, which is what it came to in the research notes (0.2110 -> 0.0007
    while retrieval fell): see `nvf.diagnostics.residual_collapse`.

    Parameters
    ----------
    deltas
        (B, D).

    Returns
    -------
    Tensor
        A scalar at least 0.

    Examples
    --------
    >>> import torch
    >>> residual(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).item()
    12.5
    """
    return deltas.square().sum(1).mean()
