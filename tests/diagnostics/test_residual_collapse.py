"""Residual collapse is named with its figures."""

from __future__ import annotations

import pytest
import torch

from nvf.diagnostics.residual_collapse import Residuals, residual_collapse, residuals


def test_statistics_by_hand() -> None:
    queries = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    deltas = torch.tensor([[0.5, 0.0], [0.0, -1.0]])
    found = residuals(queries, deltas, torch.tensor(-0.1))
    assert (found.mean, found.largest, found.alpha) == pytest.approx((0.375, 1.0, -0.1))
    assert found.share == pytest.approx((0.05 / 5 + 0.1 / 2) / 2)


def test_a_query_of_length_0_is_no_division_by_0() -> None:
    assert residuals(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor(1.0)).share == 0


@pytest.mark.parametrize(
    ("mean", "largest", "alpha"),
    [(0.001755, 0.009882, 0.0794), (0.000649, 0.003732, 0.0778), (0.000459, 0.002706, 0.0772)],
)
def test_the_published_epochs_are_named(mean: float, largest: float, alpha: float) -> None:
    # at D = 768 and queries of length 1; sqrt(pi / 2) from a mean |delta| to its root mean square, were it normal
    share = alpha * 768**0.5 * 1.2533 * mean
    (found,) = residual_collapse(Residuals(mean, largest, alpha, share))
    assert found.name == "residual_collapse" and found.figure == share < found.threshold
    assert f"mean {mean:.6f} and maximum {largest:.6f}, alpha is {alpha:.4f}" in found.text


def test_a_correction_that_turns_the_query_is_well() -> None:
    assert residual_collapse(Residuals(0.02, 0.1, 0.1, 0.04)) == []
