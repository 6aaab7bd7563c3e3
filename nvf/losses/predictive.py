"""Predictive loss: the embedding of the answer, foretold from that of the question."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def predictive(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error of a prediction to its target, through which no gradient flows.

        loss = 1 / (B D) * sum over b, i of (predicted_bi - stop(target)_bi)^2

    A target that moved along could be met by collapsing both sides into a point; stopped, and better still from a slow
    average of the head (EMA), it has to be foretold. For vectors of mean square 1 the loss is 2 (1 - cosine).

    Parameters
    ----------
    predicted
        (B, D) what the query's side foretells.
    target
        (B, D) the document's embedding.

    Returns
    -------
    Tensor
        A scalar at least 0.

    Examples
    --------
    >>> import torch
    >>> predictive(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0]])).item()
    2.5

    Notes
    -----
    Assran et al., Self-Supervised Learning from Images with a Joint-Embedding Predictive Architecture, CVPR 2023,
    section 3; the stopped target is Grill et al., BYOL, NeurIPS 2020, equation 2.
    """
    return F.mse_loss(predicted, target.detach())
