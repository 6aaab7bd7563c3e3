"""A loss that misleads: on held-out queries it still falls, and what is retrieved gets worse."""

from __future__ import annotations

from collections.abc import Sequence

from nvf.types import Diagnosis

FALL = 0.01
"""How far the figure may lie under the best one before while the loss is lower. Our own choice: three times what
nDCG@10 of `linear` on NFCorpus varies by from seed to seed (a standard deviation of 0.003 over five)."""


def loss_misleads(history: Sequence[tuple[float, float]]) -> list[Diagnosis]:
    """Return the diagnosis where the last epoch has a lower loss than the best one, and a figure worse by `FALL`.

    Early stopping on such a loss keeps the wrong epoch, as it did in seed 004, where the validation loss of `respred`
    and `asymmetric` fell from epoch to epoch and nDCG@10 with it.

    Parameters
    ----------
    history
        (loss on dev, figure on dev) of epochs 0, 1, 2, ...; more of the figure is better.

    Examples
    --------
    >>> [each.name for each in loss_misleads([(2.0, 0.32), (1.5, 0.30), (1.2, 0.19)])]
    ['loss_misleads']
    >>> loss_misleads([(2.0, 0.30), (1.5, 0.32), (1.6, 0.25)])  # both got worse: overfitting, which the loss shows
    []
    """
    if len(history) < 2:
        return []
    loss, figure = history[-1]
    before, best = max(history[:-1], key=lambda epoch: epoch[1])
    change = figure - best
    if not (loss < before and change < -FALL):
        return []
    text = (
        f"the loss on dev fell from {before:.4f} to {loss:.4f}, and the figure with it, from {best:.4f} to "
        f"{figure:.4f}: choose epochs by the figure, and try another mixture of losses"
    )
    return [Diagnosis("loss_misleads", change, -FALL, text)]
