"""The top-k as it is, with the gradient of the relaxed one."""

from __future__ import annotations

import torch
from torch import Tensor

from nvf.topk.hard import hard
from nvf.topk.relaxed import relaxed


def straight_through(
    scores: Tensor, k: int, *, temperature: float = 1.0, generator: torch.Generator | None = None
) -> Tensor:
    """Return (B, N): 1 for the k highest scores of each row, 0 for the others, differentiated as if they were relaxed.

    What is chosen is exactly what will be chosen when the system is used; the gradient is that of another function, and
    so biased. The temperature says how far from the threshold a score still gets some. The generator changes nothing.

    Notes
    -----
    Bengio, Léonard and Courville, Estimating or Propagating Gradients Through Stochastic Neurons, 2013.

    Examples
    --------
    >>> scores = torch.tensor([[0.3, 0.9, 0.5]], requires_grad=True)
    >>> weights = straight_through(scores, 1)
    >>> weights[0, 1].backward()
    >>> weights.tolist(), bool((scores.grad != 0).all())
    ([[0.0, 1.0, 0.0]], True)
    """
    soft = relaxed(scores, k, temperature)
    return hard(scores, k) + (soft - soft.detach())
