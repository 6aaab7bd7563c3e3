"""InfoNCE: pick the true document out of many by a softmax over their scores."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name everybody knows


def info_nce(
    scores: Tensor,
    targets: Tensor,
    *,
    temperature: float | Tensor = 1.0,
    others: Tensor | None = None,
    log_weights: Tensor | None = None,
) -> Tensor:
    """Return the mean cross-entropy of the true document among N candidates.

    For a query b with true document t, other relevant documents O_b, and scores s,

        loss_b = -log( exp(s_bt / T) / sum over n not in O_b of exp(s_bn / T) ).

    Every candidate but the true one is a negative, except the other relevant documents: they would be false negatives,
    and are masked. With the whole corpus as candidates this is the exact log-loss of the softmax over the corpus, and
    with the documents of the batch its usual estimate. A small T counts the hardest negatives almost alone; a large
    one counts all of them alike.

    Parameters
    ----------
    scores
        (B, N) similarity of each query to each candidate; cosines where T is a usual one.
    targets
        (B,) int64, the column of each query's true document, in [0, N).
    temperature
        T > 0, a number or a scalar tensor (then learned along).
    others
        (2, M) int64 pairs of (row, column) of further relevant documents, or None. A target among them is a mistake,
        and gives infinity.
    log_weights
        (M,), M at most N: a number added to each of the first M logits, the log of how many documents that candidate
        stands for; or None, where each stands for itself.

    Returns
    -------
    Tensor
        A scalar at least 0: log N where all scores are equal and nothing is masked, 0 where there is one candidate.

    Examples
    --------
    >>> import math
    >>> info_nce(torch.zeros(1, 4), torch.tensor([2])).item()  # log 4
    1.3862943649291992
    >>> weights = torch.tensor([0.0, 0.0, 0.0, math.log(5.0)])
    >>> info_nce(torch.zeros(1, 4), torch.tensor([2]), log_weights=weights).item()  # log 8: the last counts as five
    2.079441547393799
    >>> info_nce(torch.zeros(1, 4), torch.tensor([2]), others=torch.tensor([[0, 0], [0, 1]])).item()  # log 2
    0.6931471824645996

    Notes
    -----
    van den Oord, Li and Vinyals, Representation Learning with Contrastive Predictive Coding, 2018, equation 4. That it
    is the cross-entropy over the corpus where every document is a candidate: Yi et al., Sampling-Bias-Corrected Neural
    Modeling for Large Corpus Item Recommendations, RecSys 2019, equations 1 to 3.
    """
    logits = scores / temperature
    if log_weights is not None:
        logits = logits + F.pad(log_weights, (0, logits.shape[1] - len(log_weights)))
    if others is not None and others.numel():
        logits = logits.index_put((others[0], others[1]), logits.new_tensor(-torch.inf))
    return F.cross_entropy(logits, targets)
