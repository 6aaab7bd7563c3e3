"""A hinge: the true document is to score higher than every other one, by a margin."""

from __future__ import annotations

import torch
from torch import Tensor

MARGIN = 0.2


def hinge(
    scores: Tensor,
    targets: Tensor,
    *,
    temperature: float | Tensor = 1.0,
    others: Tensor | None = None,
    log_weights: Tensor | None = None,
) -> Tensor:
    """Return the mean of max(0, margin + the best wrong score - the true one); it has no temperature."""
    true = scores.gather(1, targets[:, None])
    wrong = scores.scatter(1, targets[:, None], -torch.inf)
    if others is not None:
        wrong = wrong.index_put((others[0], others[1]), wrong.new_tensor(-torch.inf))
    return (MARGIN + wrong.amax(1, keepdim=True) - true).relu().mean()
