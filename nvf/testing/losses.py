"""Every loss has a value worked out by hand, a gradient that is the derivative, and a degenerate input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor


@dataclass(frozen=True)
class LossCase:
    """One loss.

    `value` is what `loss(at)` is by hand; `loss` must be differentiable at `at`; `degenerate` gives `bottom`, exactly.
    """

    name: str
    loss: Callable[[Tensor], Tensor]
    at: Tensor
    value: float
    degenerate: Tensor
    bottom: float


class LossCases:
    """What holds for the loss of `case`, by which the class is to be parametrised."""

    def test_hand_value(self, case: LossCase) -> None:
        assert case.loss(case.at).item() == pytest.approx(case.value, abs=1e-12)

    def test_gradient(self, case: LossCase) -> None:
        assert torch.autograd.gradcheck(case.loss, (case.at.clone().requires_grad_(),))

    def test_degenerate_input(self, case: LossCase) -> None:
        scores = case.degenerate.clone().requires_grad_()
        loss = case.loss(scores)
        loss.backward()  # type: ignore[no-untyped-call]
        assert loss.item() == pytest.approx(case.bottom, abs=1e-12)
        assert scores.grad is not None and scores.grad.isfinite().all()

    def test_is_a_mean_over_queries(self, case: LossCase) -> None:
        assert case.loss(case.at).shape == ()
