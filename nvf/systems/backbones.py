"""Causal sequence models: (B, C, W) -> (B, C, W), where what comes out at c depends on nothing after c."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nvf.params import param

HEAD = 64
"""Width of one head of attention or of the state space, where the model is that wide; Mamba-2's own choice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """The published state-space model; the other kinds share its width and depth."""

    kind: str = param("state_space", choices=("gru", "transformer", "state_space"), doc="which sequence model")
    d_model: int = param(768, low=1, high=8192, log=True, doc="width of the sequence model")
    layers: int = param(8, low=1, high=64, doc="how many layers it has")
    d_state: int = param(128, low=1, high=1024, log=True, doc="width of the state (state_space)")
    conv: int = param(4, low=1, high=64, doc="how many vectors the convolution spans (state_space)")
    expand: int = param(2, low=1, high=8, doc="how much wider a layer is inside (state_space)")
    dropout: float = param(0.1, low=0.0, high=0.9, doc="share of each layer's output dropped in training")


class GRU(nn.Module):
    """Gated recurrent units (Cho et al., 2014), dropout between layers."""

    def __init__(self, params: Params) -> None:
        super().__init__()
        dropout = params.dropout if params.layers > 1 else 0.0  # there is nothing between the layers of one
        self.gru = nn.GRU(params.d_model, params.d_model, params.layers, batch_first=True, dropout=dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the states of the last layer."""
        states: Tensor = self.gru(inputs)[0]
        return states


class Layer(nn.Module):
    """x + dropout(inner(norm(x))): how transformer and state space are stacked."""

    def __init__(self, params: Params, inner: nn.Module) -> None:
        super().__init__()
        self.norm, self.inner, self.dropout = nn.LayerNorm(params.d_model), inner, nn.Dropout(params.dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (B, C, W)."""
        added: Tensor = inputs + self.dropout(self.inner(self.norm(inputs)))
        return added


class Attention(nn.Module):
    """Causal multi-head attention (Vaswani et al., 2017) with ALiBi (Press et al., 2022) for the order.

    Head h of H gives place c's view of place s <= c a penalty of 2^(-8 h / H) (c - s), so that no length is built in.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = heads(width)
        self.into, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        slopes = 2 ** (-8 * torch.arange(1, self.heads + 1) / self.heads)
        self.register_buffer("slopes", slopes[:, None, None], persistent=False)

    slopes: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (B, C, W)."""
        batch, length, width = inputs.shape
        parts = self.into(inputs).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        place = torch.arange(length, device=inputs.device)
        age = place[:, None] - place
        bias = (-self.slopes * age).masked_fill(age < 0, -torch.inf)
        mixed = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=bias)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return out


class StateSpace(nn.Module):
    """A selective state space, Mamba-2's layer, in its dual form.

    Each head h of width P carries a state (P, S) with a scalar decay, and reads it out:

        H_c = exp(a_h dt_c) H_(c-1) + dt_c x_c B_c^T,     y_c = H_c C_c + D_h x_c,

    where x_c (P,), B_c, C_c (S,) and dt_c > 0 all depend on the input, and a_h < 0. Unrolled, that is attention without
    a softmax,

        y_c = sum over s <= c of exp(a_h (dt_(s+1) + ... + dt_c)) (C_c . B_s) dt_s x_s + D_h x_c,

    which needs no state at all; its cost is quadratic in C, and windows are short. Gate and convolution as published.

    Notes
    -----
    Gu and Dao, Mamba, 2023; Dao and Gu, Transformers are SSMs, 2024, equations 1 and 6.
    """

    def __init__(self, params: Params) -> None:
        super().__init__()
        self.inner, self.state = params.expand * params.d_model, params.d_state
        self.heads = heads(self.inner)
        mixed = self.inner + 2 * self.state
        self.into = nn.Linear(params.d_model, mixed + self.inner + self.heads, bias=False)
        self.conv = nn.Conv1d(mixed, mixed, params.conv, groups=mixed, padding=params.conv - 1)
        steps = torch.exp(torch.empty(self.heads).uniform_(math.log(1e-3), math.log(0.1)))
        self.step = nn.Parameter(steps + torch.log(-torch.expm1(-steps)))  # softplus of it gives `steps`
        self.log_decay = nn.Parameter(torch.empty(self.heads).uniform_(1, 16).log())
        self.skip = nn.Parameter(torch.ones(self.heads))
        self.norm = nn.RMSNorm(self.inner)
        self.out = nn.Linear(self.inner, params.d_model, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (B, C, W)."""
        batch, length, _ = inputs.shape
        widths = [self.inner + 2 * self.state, self.inner, self.heads]
        mixed, gate, step = torch.split(self.into(inputs), widths, dim=-1)
        mixed = F.silu(self.conv(mixed.mT)[..., :length].mT)
        widths = [self.inner, self.state, self.state]
        values, written, read = torch.split(mixed, widths, dim=-1)
        values = values.view(batch, length, self.heads, self.inner // self.heads)
        step = F.softplus(step + self.step)
        weights = self._decay(step) * (read @ written.mT).unsqueeze(1)
        states = torch.einsum("bhcs,bsh,bshp->bchp", weights, step, values) + self.skip[:, None] * values
        out: Tensor = self.out(self.norm(states.flatten(2) * F.silu(gate)))
        return out

    def _decay(self, step: Tensor) -> Tensor:
        """Return (B, H, C, C) what is left at c of what was written at s, 0 where s > c."""
        passed = step.cumsum(1).mT
        between = passed[..., :, None] - passed[..., None, :]
        return (-self.log_decay.exp()[:, None, None] * between.clamp(min=0)).exp().tril()


def heads(width: int) -> int:
    """Return how many heads a width is divided into: of `HEAD` each where that is possible, else one."""
    return width // HEAD if width % HEAD == 0 else 1


def backbone(params: Params) -> nn.Module:
    """Return a fresh sequence model."""
    if params.kind == "gru":
        return GRU(params)
    layers: list[nn.Module] = []
    for _ in range(params.layers):
        if params.kind == "transformer":
            width = params.d_model
            feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
            layers += [Layer(params, Attention(width)), Layer(params, feed)]
        else:
            layers.append(Layer(params, StateSpace(params)))
    return nn.Sequential(*layers, nn.LayerNorm(params.d_model))
