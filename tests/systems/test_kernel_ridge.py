"""Kernel ridge: the weights of training queries, against its definition."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from nvf.errors import TaskError
from nvf.systems import kernel_ridge
from nvf.systems.kernel_ridge import KernelRidge, Params


def drawn(count: int, seed: int) -> torch.Tensor:
    return functional.normalize(torch.randn(count, 6, generator=torch.Generator().manual_seed(seed)))


def test_by_hand() -> None:
    """One training query at a right angle to another: K = [[1, e], [e, 1]] with e = exp(-1 / temperature)."""
    ridge = KernelRidge(torch.eye(2), Params(temperature=0.5, penalty=1.0))
    e = math.exp(-2)
    expected = torch.tensor([[2 - e * e, e]]) / (4 - e * e)
    assert torch.allclose(ridge.weights(torch.tensor([[1.0, 0.0]])), expected, atol=1e-6)


def test_it_minimises_squared_error_plus_penalty() -> None:
    queries, target = drawn(30, 0), torch.randn(30, generator=torch.Generator().manual_seed(1))
    kernel = ((queries @ queries.T - 1) / 0.7).exp()
    dual = torch.linalg.solve(kernel + 0.3 * torch.eye(30), target)

    def objective(weights: torch.Tensor) -> float:
        return float((kernel @ weights - target).square().sum() + 0.3 * weights @ kernel @ weights)

    found = KernelRidge(queries, Params(temperature=0.7, penalty=0.3)).weights(queries) @ target
    assert torch.allclose(found, kernel @ dual, atol=1e-4)
    assert all(objective(dual) < objective(dual + 0.05 * torch.eye(30)[place]) for place in range(30))


def test_what_is_said_twice_counts_once() -> None:
    asked, held = drawn(1, 2), drawn(5, 3)
    once = KernelRidge(held, Params(penalty=1e-4)).weights(asked)
    twice = KernelRidge(torch.cat([held, held[:1]]), Params(penalty=1e-4)).weights(asked)
    assert torch.allclose(twice[0, 0] + twice[0, 5], once[0, 0], atol=1e-2)


def test_too_many_queries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_ridge, "MOST", 4)
    with pytest.raises(TaskError, match="over 5 training queries .* at most 4: use recall: attention"):
        KernelRidge(drawn(5, 0), Params())
