"""The gradient at the query: its length where there is one, exactly 0 where there is none."""

from __future__ import annotations

import pytest
import torch

from nvf.diagnostics.gradient import gradient_at_query
from nvf.topk import hard, straight_through

QUERIES = torch.tensor([[1.0, 0.0], [0.0, 2.0]])


def test_it_is_the_mean_length_at_each_query() -> None:
    factors = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert gradient_at_query(lambda x: (factors * x).sum(1).mean(), QUERIES) == pytest.approx((5 + 1) / 2)


def test_a_loss_that_does_not_know_the_query_gives_none() -> None:
    weight = torch.ones((), requires_grad=True)
    assert gradient_at_query(lambda x: weight * x.detach().sum(), QUERIES) == 0.0
    assert gradient_at_query(lambda x: x.new_zeros(()), QUERIES) == 0.0


def test_the_break_of_a_hard_choice_shows() -> None:
    values = torch.tensor([5.0, 1.0])
    assert gradient_at_query(lambda x: (hard(x, 1) * values).sum(1).mean(), QUERIES) == 0.0
    assert gradient_at_query(lambda x: (straight_through(x, 1) * values).sum(1).mean(), QUERIES) > 0.1


def test_it_works_without_gradients_around_it() -> None:
    with torch.no_grad():
        assert gradient_at_query(lambda x: x.square().sum(1).mean(), QUERIES) == pytest.approx((2 + 4) / 2)
