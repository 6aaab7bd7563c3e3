"""covariance, sigreg, predictive, residual: a value by hand, a gradient that is the derivative, a degenerate input."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from nvf.losses.covariance import covariance
from nvf.losses.predictive import predictive
from nvf.losses.residual import residual
from nvf.losses.sigreg import sigreg

FLOOR = math.sqrt(2 * math.pi) * (1 - 1 / math.sqrt(3))
TARGET = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)


def seeded(vectors: Tensor, slices: int = 8) -> Tensor:
    return sigreg(vectors, slices, torch.Generator().manual_seed(0))


def by_hand(values: list[float]) -> float:
    """The statistic of values on a line, by the trapezoid rule over 17 points of [0, 3], doubled."""
    total = 0.0
    for place in range(17):
        t = 3 * place / 16
        normal = math.exp(-t * t / 2)
        real = sum(math.cos(t * value) for value in values) / len(values) - normal
        imaginary = sum(math.sin(t * value) for value in values) / len(values)
        weight = 3 / 16 * (1 if 0 < place < 16 else 0.5)
        total += 2 * weight * (real**2 + imaginary**2) * normal
    return len(values) * total


def closed_form(values: Tensor) -> float:
    """The same integral over the whole line: three Gaussian integrals."""
    pairs = torch.exp(-(values[:, None] - values).square() / 2).sum() * math.sqrt(2 * math.pi) / len(values)
    crossed = 2 * math.sqrt(math.pi) * torch.exp(-values.square() / 4).sum()
    return float(pairs - crossed + len(values) * math.sqrt(2 * math.pi / 3))


@dataclass(frozen=True)
class Case:
    """`value` is what `loss(at)` is by hand; `loss` must be differentiable at `at`; `degenerate` gives `bottom`."""

    name: str
    loss: Callable[[Tensor], Tensor]
    at: list[list[float]]
    value: float
    degenerate: list[list[float]]
    bottom: float


CASES = [
    # centred: (1, 0), (-1, 0), so C = diag(2, 0), s = 1, and C - s I = diag(1, -1)
    Case("covariance", covariance, [[3, 5], [1, 5]], math.sqrt(2) / 2, [[2, 1], [2, 1], [2, 1]], 0),
    # C = [[1, 1], [1, 1]], s = 1: both off-diagonal entries are left
    # the same cloud, and a third place that is always 4: C - s I = diag(2, 0, 0) - 2 / 3 I
    Case("covariance, wide", covariance, [[3, 5, 4], [1, 5, 4]], math.sqrt(16 + 4 + 4) / 9, [[2, 1, 3]] * 2, 0),
    Case("covariance, correlated", covariance, [[1, 1], [0, 0], [-1, -1]], math.sqrt(2) / 2, [[7, -7]], 0),
    # in one dimension every direction is 1 or -1, and T is even
    Case("sigreg", seeded, [[0.3], [-1.2], [2.0]], by_hand([0.3, -1.2, 2.0]), [[0, 0]] * 4, by_hand([0] * 4)),
    Case("predictive", lambda z: predictive(z, TARGET), [[1, 2, 0], [0, 0, 2]], (4 + 1 + 4) / 6, TARGET.tolist(), 0),
    Case("residual", residual, [[1, 2], [0, 3], [2, 0]], (5 + 9 + 4) / 3, [[0, 0]], 0),
]
"""As many vectors as they have places would let a sum over the wrong side pass."""


def double(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
class TestLoss:
    def test_hand_value(self, case: Case) -> None:
        loss = case.loss(double(case.at))
        assert loss.shape == ()
        assert loss.item() == pytest.approx(case.value, abs=1e-12)

    def test_gradient(self, case: Case) -> None:
        assert torch.autograd.gradcheck(case.loss, (double(case.at),))

    def test_degenerate_input(self, case: Case) -> None:
        vectors = double(case.degenerate)
        loss = case.loss(vectors)
        loss.backward()
        assert loss.item() == pytest.approx(case.bottom, abs=1e-12)
        assert vectors.grad is not None and vectors.grad.isfinite().all()


def test_covariance_of_a_round_cloud_is_near_0_at_any_size() -> None:
    cloud = torch.randn(100_000, 4, generator=torch.Generator().manual_seed(0))
    assert covariance(cloud) < 0.01 and covariance(9 * cloud) < 0.81
    assert covariance(cloud * torch.tensor([3.0, 1, 1, 1])) > 1


def test_sigreg_is_its_closed_form_but_for_the_tails() -> None:
    values = torch.randn(40, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for scale in (0.0, 0.5, 1.0, 3.0):
        tails = len(values) * math.sqrt(2 * math.pi) * math.erfc(3 / math.sqrt(2))
        difference = closed_form(scale * values[:, 0]) - seeded(scale * values).item()
        assert -1e-3 * len(values) < difference < 4 * tails


def test_sigreg_is_the_mean_over_its_directions() -> None:
    cloud = torch.randn(5, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    drawn = torch.randn(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    lines = (cloud @ (drawn / drawn.norm(dim=0))).T.tolist()
    assert seeded(cloud, 2).item() == pytest.approx(sum(map(by_hand, lines)) / 2)


@pytest.mark.parametrize("size", [16, 256])
def test_sigreg_of_a_normal_is_its_floor(size: int) -> None:
    draws = torch.Generator().manual_seed(2)
    values = [sigreg(torch.randn(size, 256, generator=draws), 256, draws).item() for _ in range(60)]
    assert sum(values) / len(values) == pytest.approx(FLOOR, abs=0.03)


def test_sigreg_tells_unit_length_from_unit_variance() -> None:
    cloud = torch.randn(256, 384, generator=torch.Generator().manual_seed(3))
    unit = torch.nn.functional.normalize(cloud)
    assert seeded(unit, 256) > 100 and seeded(torch.zeros(256, 384), 256) == pytest.approx(0.402 * 256, abs=0.1)
    assert seeded(384**0.5 * unit, 256) == pytest.approx(FLOOR, abs=0.1)


def test_sigreg_draws_from_its_generator_alone() -> None:
    cloud = torch.randn(20, 5)
    assert seeded(cloud) == seeded(cloud)
    assert seeded(cloud) != sigreg(cloud, 8, torch.Generator().manual_seed(1))


def test_the_target_is_stopped() -> None:
    predicted, target = double([[1, 2]]), double([[3, 4]])
    predictive(predicted, target).backward()
    assert target.grad is None and predicted.grad is not None
