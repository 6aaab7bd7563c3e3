"""What holds for every top-k mode, hard or soft."""

from __future__ import annotations

import pytest
import torch

from nvf import seeding
from nvf.topk import MODES, gumbel, hard, straight_through
from nvf.topk.relaxed import relaxed

SOFT = [name for name in MODES if name != "hard"]


@pytest.fixture
def scores() -> torch.Tensor:
    return torch.randn(16, 40, generator=seeding.generator("topk"))


@pytest.mark.parametrize("name", MODES)
class TestTopK:
    @pytest.mark.parametrize("k", [1, 2, 13, 39, 40])
    @pytest.mark.parametrize("temperature", [1e-3, 0.3, 30.0])
    def test_weights_lie_between_0_and_1_and_sum_to_k(
        self, name: str, scores: torch.Tensor, k: int, temperature: float
    ) -> None:
        weights = MODES[name](scores, k, temperature=temperature, generator=seeding.generator("noise"))
        assert weights.shape == scores.shape and weights.dtype == torch.float32
        assert (weights >= 0).all() and (weights <= 1).all()
        assert torch.allclose(weights.double().sum(1), torch.full((16,), float(k), dtype=torch.float64), atol=1e-5)

    def test_it_becomes_the_hard_one_as_the_temperature_goes_to_0(self, name: str, scores: torch.Tensor) -> None:
        gaps = [(MODES[name](scores, 5, temperature=t) - hard(scores, 5)).abs().max() for t in (1.0, 0.1, 1e-2, 1e-5)]
        assert gaps == sorted(gaps, reverse=True)
        assert gaps[-1] < 1e-6

    @pytest.mark.parametrize("scale", [1e-20, 1.0, 1e8, 1e30])
    def test_scores_of_any_size(self, name: str, scores: torch.Tensor, scale: float) -> None:
        large = (scores * scale).requires_grad_()
        weights = MODES[name](large, 5, temperature=0.5)
        assert weights.isfinite().all() and torch.allclose(weights.sum(1), torch.tensor(5.0), atol=1e-4)
        (weights.sum() + 0 * large.sum()).backward()
        assert large.grad is not None and large.grad.isfinite().all()

    def test_ties(self, name: str) -> None:
        tied = torch.zeros(1, 8, requires_grad=True)
        weights = MODES[name](tied, 3)
        assert weights.sum().item() == pytest.approx(3, abs=1e-6)
        (weights[0, 0] + 0 * tied.sum()).backward()
        assert tied.grad is not None and tied.grad.isfinite().all()

    def test_order_is_kept(self, name: str, scores: torch.Tensor) -> None:
        place = scores.argsort(dim=1, descending=True)
        weights = MODES[name](scores, 7, temperature=0.7).gather(1, place)
        assert (weights[:, 1:] <= weights[:, :-1]).all()

    def test_gradient_is_0_for_hard_and_not_for_the_others(self, name: str, scores: torch.Tensor) -> None:
        asked = scores.clone().requires_grad_()
        weights = MODES[name](asked, 5)
        if name == "hard":
            assert not weights.requires_grad
            return
        (weights * torch.arange(40.0)).sum().backward()
        assert asked.grad is not None and (asked.grad.norm(dim=1) > 1e-3).all()


@pytest.mark.parametrize("name", SOFT)
def test_weights_that_sum_to_k_leave_a_shift_of_all_scores_without_effect(name: str, scores: torch.Tensor) -> None:
    asked = scores.clone().requires_grad_()
    (MODES[name](asked, 5) * torch.arange(40.0)).sum().backward()
    assert asked.grad is not None
    assert torch.allclose(asked.grad.sum(1), torch.zeros(16), atol=1e-4)


def test_the_gradient_is_the_derivative() -> None:
    scores = torch.randn(3, 7, dtype=torch.float64, generator=seeding.generator("gradient")).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: relaxed(s, 3, 0.5), (scores,))


def test_a_hand_value() -> None:
    """Of two scores with k = 1 the threshold is their mean: sigmoid(half the difference)."""
    weights = relaxed(torch.tensor([[2.0, 0.0]], dtype=torch.float64), 1, 0.5)
    assert weights[0, 0].item() == pytest.approx(1 / (1 + 2.718281828459045**-2), abs=1e-12)


def test_straight_through_chooses_exactly_what_hard_does(scores: torch.Tensor) -> None:
    assert torch.equal(straight_through(scores, 5, temperature=3.0), hard(scores, 5))


def test_noise_comes_from_the_generator_alone(scores: torch.Tensor) -> None:
    def drawn(seed: int) -> torch.Tensor:
        return gumbel(scores, 5, generator=seeding.generator("noise", seed))

    assert torch.equal(drawn(1), drawn(1)) and not torch.equal(drawn(1), drawn(2))
    assert torch.equal(gumbel(scores, 5), relaxed(scores, 5, 1.0))


def test_the_noise_draws_from_the_softmax() -> None:
    logits = torch.tensor([1.0, 2.0, 3.0])
    draws = gumbel(logits.expand(20_000, 3), 1, temperature=1e-3, generator=seeding.generator("draws"))
    assert torch.allclose(draws.mean(0), logits.softmax(0), atol=0.01)
