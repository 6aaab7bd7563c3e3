"""What goes wrong in next-vector prediction: two objectives that pull apart, and training windows learned by heart.

Both compare mean cosines between prediction and target, and have the published failures of seed 003 as their measure.
"""

from __future__ import annotations

from nvf.types import Diagnosis

SPLIT = -0.15
"""How far the projected cosine may lie under the raw one. Our own choice: half of the published failure, in which the
raw cosine was 0.2163 and the projected one -0.1195."""

MEMORISED = 0.15
"""How far the cosine on dev may lie under the one on train. Our own choice: half of the published failure, in which it
fell from 0.5149 to 0.2163."""


def split_objective(raw: float, projected: float) -> list[Diagnosis]:
    """Return the diagnosis where the projection turns predictions away from their targets.

    InfoNCE on projected vectors and the autoregressive loss on raw ones can both fall while each spoils the other's
    space: then what is near in one is far in the other.

    Parameters
    ----------
    raw, projected
        Mean cosine between prediction and target before and after the projection head, in [-1, 1].

    Examples
    --------
    >>> [each.name for each in split_objective(0.2163, -0.1195)]
    ['split_objective']
    >>> split_objective(0.55, 0.60)
    []
    """
    change = projected - raw
    if not change < SPLIT:  # NaN, where there is nothing to compare, is no pathology
        return []
    text = (
        f"the two objectives disagree: predictions have a cosine of {raw:.4f} to their targets as they are, and of "
        f"{projected:.4f} after the projection; put both on the raw vectors (projection: none)"
    )
    return [Diagnosis("split_objective", change, SPLIT, text)]


def memorisation(train: float, held_out: float) -> list[Diagnosis]:
    """Return the diagnosis where predictions are much better on the training windows than on dev.

    Parameters
    ----------
    train, held_out
        Mean cosine between prediction and target on training windows and on dev, in [-1, 1].

    Examples
    --------
    >>> [each.name for each in memorisation(0.5149, 0.2163)]
    ['memorisation']
    >>> memorisation(0.62, 0.58)
    []
    """
    change = held_out - train
    if not change < -MEMORISED:
        return []
    text = (
        f"training windows are learned by heart: predictions have a cosine of {train:.4f} to their targets on train, "
        f"and of {held_out:.4f} on dev; take a smaller model, dropout or fewer epochs"
    )
    return [Diagnosis("memorisation", change, -MEMORISED, text)]
