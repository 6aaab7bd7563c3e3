"""The relaxed top-k of noisy scores: candidates are tried that nearly were chosen."""

from __future__ import annotations

import torch
from torch import Tensor

from nvf.topk.relaxed import relaxed


def gumbel(scores: Tensor, k: int, *, temperature: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Return (B, N): the relaxed weights of scores + g, with g = -log(-log(u)) and u uniform in (0, 1).

    The k highest of logits with that noise are a draw of k documents, without replacement, from the softmax of the
    logits.

    Parameters
    ----------
    scores
        (B, N) finite logits: the noise has a standard deviation of 1.28.
    k
        1 to N.
    temperature
        Of the relaxation.
    generator
        What the noise is drawn from, on the scores' device; None for none, which is how a trained system is used.

    Notes
    -----
    Kool, van Hoof and Welling, Stochastic Beams and Where to Find Them, 2019 (the draw); Xie and Ermon,
    Reparameterizable Subset Sampling via Continuous Relaxations, 2019 (relaxed, there by a chain of softmaxes).
    """
    if generator is not None:
        uniform = torch.rand(scores.shape, generator=generator, device=scores.device, dtype=torch.float64)
        tiny = torch.finfo(uniform.dtype).tiny
        noise = -(-uniform.clamp(min=tiny).log()).clamp(min=tiny).log()
        scores = scores + noise.to(scores.dtype)
    return relaxed(scores, k, temperature)
