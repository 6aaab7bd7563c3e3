"""ListNet: the order of a whole list, several relevant documents of several grades in it."""

from __future__ import annotations

import torch
from torch import Tensor


def list_net(scores: Tensor, grades: Tensor) -> Tensor:
    """Return the mean cross-entropy between the grades of a list and the softmax of its scores.

    For the scores s and grades g of one list,

        loss = - sum over n of g_n / (sum of g) * log softmax(s)_n.

    Each relevant document pulls by its share of the grades, so that two equally relevant ones end level, and neither is
    a negative of the other beyond that.

    Parameters
    ----------
    scores
        (B, K) logits; -inf takes a document out.
    grades
        (B, K) at least 0, with one above 0 in every list.

    Returns
    -------
    Tensor
        A scalar, at least the entropy of the grades' shares.

    Examples
    --------
    >>> list_net(torch.zeros(1, 4), torch.tensor([[2.0, 1.0, 0.0, 0.0]])).item()  # log 4
    1.3862943649291992

    Notes
    -----
    Cao et al., Learning to Rank: From Pairwise Approach to Listwise Approach, ICML 2007, with grades in the place of
    their exponentials; that it bounds nDCG then: Bruch et al., An Analysis of the Softmax Cost Function for Learning to
    Rank, ICTIR 2019.
    """
    logs = scores.log_softmax(dim=1)
    shares = grades / grades.sum(1, keepdim=True)
    return -torch.where(grades > 0, shares * logs, 0.0).sum(1).mean()
