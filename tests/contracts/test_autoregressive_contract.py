"""The autoregressive cosine keeps the contract of every loss."""

from __future__ import annotations

import math

import pytest
import torch

from nvf.losses.autoregressive import autoregressive

PREDICTIONS = torch.tensor([[3.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
TARGETS = torch.tensor([[2.0, 0.0], [0.0, 5.0]], dtype=torch.float64)


def test_hand_value() -> None:
    assert autoregressive(PREDICTIONS, TARGETS).item() == pytest.approx((0 + 1 - math.sqrt(0.5)) / 2, abs=1e-12)


def test_gradient() -> None:
    at = PREDICTIONS.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda predictions: autoregressive(predictions, TARGETS), (at,))


def test_opposite_is_worst_and_length_does_not_count() -> None:
    assert autoregressive(-7 * TARGETS, TARGETS).item() == pytest.approx(2, abs=1e-12)


def test_a_vector_without_direction() -> None:
    nothing = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    loss = autoregressive(nothing, TARGETS)
    loss.backward()
    assert loss.item() == 1
    assert nothing.grad is not None and nothing.grad.isfinite().all()
