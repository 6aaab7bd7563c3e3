"""Every loss has a value worked out by hand, a gradient that is the derivative, and a degenerate input."""

from __future__ import annotations

import math

import pytest
import torch

from nvf.losses.info_nce import info_nce
from nvf.losses.list_net import list_net
from nvf.losses.selected import selected_cross_entropy
from nvf.testing import LossCase, LossCases

TARGETS = torch.tensor([1, 0])
OTHERS = torch.tensor([[0], [2]])


SCORES = torch.tensor([[0.0, math.log(2), 5.0], [math.log(3), 0.0, 0.0]], dtype=torch.float64)

CASES = [
    LossCase(
        "info_nce",
        lambda scores: info_nce(scores, TARGETS, others=OTHERS),
        SCORES,
        # query 0: 2 / (1 + 2), for the third is another positive; query 1: 3 / (3 + 1 + 1)
        (math.log(3 / 2) + math.log(5 / 3)) / 2,
        torch.full((2, 3), -7.0, dtype=torch.float64),
        (math.log(2) + math.log(3)) / 2,
    ),
    LossCase(
        "info_nce at a temperature",
        lambda scores: info_nce(scores, TARGETS, temperature=0.5),
        SCORES[:, :2],
        # squares: 4 / (1 + 4) and 9 / (9 + 1)
        (math.log(5 / 4) + math.log(10 / 9)) / 2,
        torch.zeros((2, 2), dtype=torch.float64),
        math.log(2),
    ),
    LossCase(
        "list_net",
        lambda scores: list_net(scores, torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 4.0]], dtype=torch.float64)),
        torch.tensor([[0.0, math.log(2), 0.0], [math.log(3), 0.0, 0.0]], dtype=torch.float64),
        # list 0: shares 2/3 and 1/3 of probabilities 1/4 and 1/2; list 1: all of 1/5
        (2 / 3 * math.log(4) + 1 / 3 * math.log(2) + math.log(5)) / 2,
        torch.full((2, 3), 40.0, dtype=torch.float64),
        math.log(3),
    ),
    LossCase(
        "selected, by weights",
        lambda weights: selected_cross_entropy(SCORES, weights, TARGETS, others=OTHERS),
        torch.tensor([[1.0, 0.5, 1.0], [0.5, 1.0, 0.25]], dtype=torch.float64),
        # query 0: 1/2 * 2 / (1 + 1/2 * 2), the third masked; query 1: 1/2 * 3 / (3/2 + 1 + 1/4)
        (math.log(2) + math.log(2.75 / 1.5)) / 2,
        torch.zeros((2, 3), dtype=torch.float64),
        0.0,
    ),
    LossCase(
        "selected, by scores",
        lambda scores: selected_cross_entropy(scores, torch.tensor([[1.0, 0.5, 0.25]]).double(), TARGETS[:1]),
        torch.tensor([[0.0, math.log(2), math.log(4)]], dtype=torch.float64),
        math.log(3),
        torch.full((1, 3), -900.0, dtype=torch.float64),
        math.log(3.5),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
class TestLoss(LossCases):
    pass


def test_a_learned_temperature_gets_its_gradient() -> None:
    temperature = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: info_nce(SCORES, TARGETS, temperature=t), (temperature,))


def test_one_candidate_leaves_nothing_to_choose() -> None:
    assert info_nce(torch.randn(3, 1), torch.zeros(3, dtype=torch.int64)).item() == 0


def test_a_masked_positive_gets_no_gradient() -> None:
    scores = SCORES.clone().requires_grad_()
    info_nce(scores, TARGETS, others=OTHERS).backward()
    assert scores.grad is not None
    assert scores.grad[0, 2] == 0
    assert (scores.grad[1] != 0).all()
