"""What is minimised: pure functions of tensors, one file each.

`LOSSES` has those that a system with `TrainParams` chooses among by its parameter `loss`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from nvf.plugins import Table

if TYPE_CHECKING:
    from torch import Tensor


class Loss(Protocol):
    """How far B queries are from finding their documents among N candidates; `nvf.losses.info_nce` is one."""

    def __call__(
        self,
        scores: Tensor,
        targets: Tensor,
        *,
        temperature: float | Tensor = 1.0,
        others: Tensor | None = None,
        log_weights: Tensor | None = None,
    ) -> Tensor:
        """Return a scalar, the mean over the queries; the arguments are those of `nvf.losses.info_nce`."""


def _accepted(name: str, found: Any) -> Loss:
    if not callable(found):
        raise ValueError(f"{found!r} is no function")
    loss: Loss = found
    return loss


LOSSES: Table[Loss] = Table("nvf.losses", "loss", {"info_nce": "nvf.losses.info_nce:info_nce"}, _accepted)
