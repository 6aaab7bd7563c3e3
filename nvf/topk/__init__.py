"""The discrete step between two stages: which K of N documents are looked at closely.

Each mode is a function `(scores, k, *, temperature, generator) -> weights` of scores (B, N), finite, and 1 <= k <= N.
Its weights (B, N) lie in [0, 1] and sum to k in each row. As the temperature goes to 0 they become 1 for the k highest
scores and 0 for the others, unless the k-th and the next are equal.

| mode | weights | gradient |
| --- | --- | --- |
| `hard` | 0 or 1 | none: the break is accepted |
| `straight_through` | 0 or 1 | that of the relaxed weights |
| `gumbel` | relaxed, of scores with Gumbel noise in training | their own |
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from nvf.topk.gumbel import gumbel
from nvf.topk.hard import hard
from nvf.topk.straight_through import straight_through

__all__ = ["MODES", "gumbel", "hard", "straight_through"]

MODES: dict[str, Callable[..., Tensor]] = {"hard": hard, "straight_through": straight_through, "gumbel": gumbel}
