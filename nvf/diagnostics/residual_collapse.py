"""Residual collapse: a learned correction of the query shrinks to nothing."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nvf.types import Diagnosis

NOTHING = 0.01
"""Share of a query's length under which its correction counts as nothing: it turns the query by half a degree at most.
Our own choice. The published run, at D = 768, lay near 0.005, 0.002 and 0.001 after epochs 1 to 3."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """Statistics of the corrections alpha * delta of B queries.

    Attributes
    ----------
    mean, largest
        Of |delta|, over all queries and dimensions.
    alpha
        The learned scale.
    share
        Mean over the queries of the length of alpha * delta, as a share of the query's own.
    """

    mean: float
    largest: float
    alpha: float
    share: float


def residuals(queries: Tensor, deltas: Tensor, alpha: Tensor) -> Residuals:
    """Return the statistics for queries (B, D), B at least 1, their deltas (B, D), and alpha, a scalar."""
    share = (alpha * deltas).norm(dim=1) / queries.norm(dim=1).clamp_min(1e-12)
    sizes = deltas.abs()
    return Residuals(float(sizes.mean()), float(sizes.max()), float(alpha), float(share.mean()))


def residual_collapse(found: Residuals) -> list[Diagnosis]:
    """Return the diagnosis where the mean correction is under `NOTHING`.

    >>> [each.name for each in residual_collapse(Residuals(0.000459, 0.002706, 0.0772, 0.0012))]  # published, epoch 3
    ['residual_collapse']
    """
    if found.share >= NOTHING:
        return []
    text = (
        f"the correction is {found.share:.2%} of the query's length, and the prediction is the query itself: |delta| "
        f"has mean {found.mean:.6f} and maximum {found.largest:.6f}, alpha is {found.alpha:.4f}"
    )
    return [Diagnosis("residual_collapse", found.share, NOTHING, text)]
