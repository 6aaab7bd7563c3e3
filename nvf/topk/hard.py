"""The top-k as it is: no gradient passes."""

from __future__ import annotations

import torch
from torch import Tensor


def hard(scores: Tensor, k: int, *, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Return (B, N): 1 for the k highest scores of each row, 0 for the others. It is constant nearly everywhere.

    Temperature and generator are those of the other modes, and change nothing.

    Examples
    --------
    >>> hard(torch.tensor([[0.3, 0.9, 0.5]]), 2)
    tensor([[0., 1., 1.]])
    """
    chosen = scores.detach().topk(k, dim=1).indices
    return torch.zeros_like(scores).scatter(1, chosen, 1.0)
