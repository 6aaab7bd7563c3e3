"""Whether a gradient passes through a pipeline, from its answer back to the question."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def gradient_at_query(loss: Callable[[Tensor], Tensor], queries: Tensor) -> float:
    """Return the mean length of the gradient at each query: 0.0 where the loss does not depend on them smoothly.

    Parameters
    ----------
    loss
        Takes queries (B, D), returns the mean over them.
    queries
        (B, D).

    Examples
    --------
    >>> gradient_at_query(lambda x: (3 * x).sum(1).mean(), torch.zeros(2, 1))
    3.0
    >>> gradient_at_query(lambda x: x.round().sum(1).mean(), torch.zeros(2, 1))
    0.0
    """
    asked = queries.detach().requires_grad_()
    with torch.enable_grad():
        value = loss(asked)
    if not value.requires_grad:
        return 0.0
    (found,) = torch.autograd.grad(value, asked, allow_unused=True)
    return 0.0 if found is None else len(asked) * float(found.norm(dim=1).mean())
