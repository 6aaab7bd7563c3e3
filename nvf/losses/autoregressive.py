"""Autoregressive cosine: point where the next vector lies."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def autoregressive(predictions: Tensor, targets: Tensor) -> Tensor:
    """Return the mean of 1 - cos(prediction, target).

    It asks for the direction alone, and of the true vector alone: no other document takes part, so that a prediction
    near the mean of all targets is already cheap. Where the next vector is uncertain, its best answer is the direction
    of the expected target. InfoNCE is what tells documents apart.

    Parameters
    ----------
    predictions, targets
        (B, D), of any length but 0; a vector of length 0 has no direction, and its cosine is taken as 0.

    Returns
    -------
    Tensor
        A scalar in [0, 2]: 0 where all point alike, 1 where they are orthogonal.

    Examples
    --------
    >>> import torch
    >>> autoregressive(torch.tensor([[3.0, 0.0]]), torch.tensor([[1.0, 0.0]])).item()
    0.0
    >>> autoregressive(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 2.0]])).item()
    1.0

    Notes
    -----
    The `loss_ar` of seed 003, `1.0 - cosine_similarity(pred, target)`.
    """
    return (1 - F.cosine_similarity(predictions, targets, dim=1)).mean()
