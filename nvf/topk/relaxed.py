"""The relaxed top-k: weights between 0 and 1 that sum to k, with a gradient."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

FAR = 1e4
"""Temperatures from the k-th score beyond which a weight is 0 or 1 to the last bit, however far it is."""
HALVINGS = 60
"""Steps of the bisection: they leave 2**-60 of an interval at most 10,000 temperatures wide."""


def relaxed(scores: Tensor, k: int, temperature: float) -> Tensor:
    """Return weights (B, N) in [0, 1] that sum to k in each row: a soft version of "is among the k highest".

    For the scores s of one query,

        w_i = sigmoid((s_i - t) / T),   with the threshold t for which sum_i w_i = k.

    Of all weights in [0, 1] that sum to k, these maximise sum_i (w_i s_i + T H(w_i)), with H the entropy of a coin: the
    limited multi-label projection. A chain of k softmaxes, the usual other choice, can give a weight above 1.

    The threshold has no closed form. It lies in [s_(k+1) - T log N, s_(k) + T log N], with s_(j) the j-th highest
    score, and is found there by bisection in float64. The gradient is that of the implicit function, with p_i = w_i (1
    - w_i) / T:

        dw_i / ds_j = p_i (1[i = j] - p_j / sum_l p_l).

    Parameters
    ----------
    scores
        (B, N) finite, of any size.
    k
        1 to N; for N every weight is 1, and the gradient 0.
    temperature
        T > 0, in units of the scores.

    Examples
    --------
    >>> relaxed(torch.tensor([[3.0, 1.0, 1.0]]), 2, 1.0).sum().item()
    2.0
    >>> relaxed(torch.tensor([[3.0, 2.0, 1.0]]), 2, 0.01).round()
    tensor([[1., 1., 0.]])

    Notes
    -----
    Amos, Koltun and Kolter, The Limited Multi-Label Projection Layer, 2019, section 3: the projection, its bracket and
    its derivative.
    """
    weights: Tensor = _Projection.apply(scores, k, temperature)  # type: ignore[no-untyped-call]
    return weights


class _Projection(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, k: int, temperature: float) -> Tensor:
        if k == scores.shape[1]:
            ctx.save_for_backward(torch.zeros_like(scores))
            return torch.ones_like(scores)
        exact = scores.double() / temperature
        exact = (exact - exact.kthvalue(exact.shape[1] - k + 1, dim=1, keepdim=True).values).clamp(-FAR, FAR)
        logits = exact - _threshold(exact, k)
        slope = (logits.sigmoid() * (-logits).sigmoid()) / temperature
        ctx.save_for_backward(slope)
        return logits.sigmoid().to(scores.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        share = slope / slope.sum(1, keepdim=True).clamp(min=torch.finfo(slope.dtype).tiny)
        mean = (share * gradient).sum(1, keepdim=True)
        return (slope * (gradient - mean)).to(gradient.dtype), None, None


def _threshold(scores: Tensor, k: int) -> Tensor:
    """Return (B, 1) the t for which the sigmoids of `scores` - t (B, N) sum to k; the k-th highest score is 0."""
    margin = math.log(scores.shape[1])
    high = torch.full_like(scores[:, :1], margin)
    low = scores.kthvalue(scores.shape[1] - k, dim=1, keepdim=True).values - margin
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = (scores - middle).sigmoid().sum(1, keepdim=True) > k
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return (low + high) / 2
