"""The cross-entropy over candidates that are chosen only in part."""

from __future__ import annotations

from torch import Tensor


def selected_cross_entropy(scores: Tensor, weights: Tensor, targets: Tensor, *, others: Tensor | None = None) -> Tensor:
    """Return the mean cross-entropy of the true document among candidates that count by their weight.

    For a query b with true document t, other relevant documents O_b, scores s and weights w,

        loss_b = -log( w_bt exp(s_bt) / sum over n not in O_b of w_bn exp(s_bn) ).

    With weights of 0 and 1 it is InfoNCE over those chosen. Its gradient at a weight, exp(s_bn) / sum - 1[n = t] /
    w_bt, tells the stage that chose them whom the reranker would rather not have seen.

    Parameters
    ----------
    scores
        (B, N) logits.
    weights
        (B, N) in [0, 1], as `nvf.topk` gives them. A true document's counts as at least 1e-6, so that one that was not
        chosen gives a large loss, and no infinite one.
    targets
        (B,) int64 columns of the true documents.
    others
        (2, M) int64 pairs of (row, column) of further relevant documents, or None.

    Returns
    -------
    Tensor
        A scalar; below 0 for no input.

    Examples
    --------
    >>> import torch
    >>> selected_cross_entropy(torch.zeros(1, 4), torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([0])).item()  # log 2
    0.6931471824645996
    """
    if others is not None and others.numel():
        weights = weights.index_put((others[0], others[1]), weights.new_tensor(0.0))
    column = targets[:, None]
    weights = weights.scatter(1, column, weights.gather(1, column).clamp(min=1e-6))
    mass = weights * (scores - scores.amax(1, keepdim=True)).exp()
    chosen = scores.gather(1, column) - scores.amax(1, keepdim=True) + weights.gather(1, column).log()
    return (mass.sum(1).log() - chosen.squeeze(1)).mean()
