"""Sequence models: causal, finite, and the state space equal to its recurrence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from nvf.params import make
from nvf.systems.backbones import Attention, Params, StateSpace, backbone, heads

KINDS = ["gru", "transformer", "state_space"]


def params(**changes: Any) -> Params:
    return make(Params, {"d_model": 12, "layers": 2, "d_state": 5, "dropout": 0.0, **changes})


@pytest.mark.parametrize("kind", KINDS)
class TestBackbone:
    def test_nothing_is_seen_before_its_time(self, kind: str) -> None:
        model, early = backbone(params(kind=kind)).eval(), torch.randn(3, 6, 12)
        late = early.clone()
        late[:, 4:] = torch.randn(3, 2, 12)
        assert torch.allclose(model(early)[:, :4], model(late)[:, :4], atol=1e-6)
        assert (model(early)[:, 4:] - model(late)[:, 4:]).abs().amin(2).max() > 1e-3

    def test_order_counts(self, kind: str) -> None:
        model, windows = backbone(params(kind=kind)).eval(), torch.randn(3, 6, 12)
        swapped = windows[:, [1, 0, 2, 3, 4, 5]]
        assert not torch.allclose(model(windows)[:, -1], model(swapped)[:, -1], atol=1e-4)

    def test_every_parameter_learns(self, kind: str) -> None:
        model = backbone(params(kind=kind))
        model(torch.randn(4, 6, 12))[:, -1].square().sum().backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name

    def test_no_window_and_a_window_of_one(self, kind: str) -> None:
        model = backbone(params(kind=kind, layers=1)).eval()
        assert model(torch.zeros(0, 6, 12)).shape == (0, 6, 12)
        assert model(torch.randn(2, 1, 12)).isfinite().all()


def test_the_dual_form_is_the_recurrence() -> None:
    layer = StateSpace(params(d_model=64, conv=3)).double()
    inputs = torch.randn(2, 7, 64, dtype=torch.float64)
    mixed, gate, step = torch.split(layer.into(inputs), [128 + 10, 128, 2], dim=-1)
    padded = functional.pad(mixed.mT, (2, 0))
    mixed = functional.silu((padded.unfold(2, 3, 1) * layer.conv.weight).sum(-1) + layer.conv.bias[:, None]).mT
    values, written, read = mixed[..., :128].view(2, 7, 2, 64), mixed[..., 128:133], mixed[..., 133:]
    step = functional.softplus(step + layer.step)
    state, outputs = torch.zeros(2, 2, 64, 5, dtype=torch.float64), []
    for at in range(7):
        decay = (-layer.log_decay.exp() * step[:, at]).exp()
        added = step[:, at, :, None, None] * values[:, at, :, :, None] * written[:, at, None, None]
        state = decay[:, :, None, None] * state + added
        outputs.append((state * read[:, at, None, None]).sum(-1) + layer.skip[:, None] * values[:, at])
    expected = layer.out(layer.norm(torch.stack(outputs, 1).flatten(2) * functional.silu(gate)))
    assert torch.allclose(layer(inputs), expected, atol=1e-12)


def test_attention_to_one_place_is_its_value() -> None:
    attention = Attention(12)
    inputs = torch.randn(3, 1, 12)
    value = attention.into(inputs)[..., 24:]
    assert torch.allclose(attention(inputs), attention.out(value), atol=1e-6)


def test_older_places_weigh_less() -> None:
    attention = Attention(64)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.zero_()
        attention.into.weight[128:].copy_(torch.eye(64))
        attention.out.weight.copy_(torch.eye(64))
    weights = attention(torch.eye(64)[None, :4])[0, 3, :4]
    assert torch.allclose(weights, torch.softmax(-(2.0**-8) * torch.tensor([3.0, 2.0, 1.0, 0.0]), 0), atol=1e-6)


def test_heads_divide_the_width() -> None:
    assert (heads(768), heads(64), heads(12)) == (12, 1, 1)
    assert isinstance(backbone(params(kind="transformer")), nn.Sequential)
