"""The attention memory network: the mean of the context, corrected by what the last vector attends to."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nvf.params import param
from nvf.systems import register
from nvf.systems.next_vector import NextVector, Objective


@dataclass(frozen=True, kw_only=True, slots=True)
class Params(Objective):
    """The published network (d_model 256, hidden 512), by default with the autoregressive loss alone."""

    d_model: int = param(256, low=1, high=8192, log=True, doc="width of the attention, and of the second layer")
    hidden: int = param(512, low=1, high=8192, log=True, doc="width of the residual net's first layer")


class Network(nn.Module):
    """(B, C, D) -> (B, D); see `AMN`."""

    def __init__(self, params: Params, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(dim, params.d_model)
        self.key = nn.Linear(dim, params.d_model)
        last = nn.Linear(params.d_model, dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        first, second = nn.Linear(2 * dim, params.hidden), nn.Linear(params.hidden, params.d_model)
        self.residual = nn.Sequential(first, nn.GELU(), second, nn.GELU(), last)

    def forward(self, windows: Tensor) -> Tensor:
        """Return the predictions, of length 1."""
        baseline = windows.mean(1)
        asked = self.query(windows[:, -1:]) / math.sqrt(self.query.out_features)
        attention = (asked @ self.key(windows).mT).softmax(-1)
        weighted = (attention @ windows).squeeze(1)
        return F.normalize(baseline + self.residual(torch.cat([baseline, weighted], dim=1)), dim=1)


@register(
    "amn",
    summary="attention memory network: the mean of the context plus a learned correction",
    source="seed 003",
)
class AMN(NextVector[Params]):
    """normalise(m + f([m, a])): mean m of the context, and its attention-weighted mean a.

    For a window q_1 ... q_C and maps Wq, Wk to width d,

        a = sum over c of softmax(Wq q_C . Wk q_c / sqrt d) q_c,

    and f is a net 2D -> hidden -> d -> D. Its last layer starts at 0, so that the untrained network is `context_mean`.
    """

    def build(self) -> nn.Module:
        """Return a fresh network."""
        return Network(self.params, self.corpus.dim)
