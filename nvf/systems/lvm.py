"""The latent vector model: a causal sequence model over the context predicts the next vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nvf.diagnostics.next_vector import split_objective
from nvf.errors import ParamsError
from nvf.params import nested, param
from nvf.systems import backbones, register
from nvf.systems.base import Inspection
from nvf.systems.next_vector import NextVector, Objective
from nvf.tasks.base import Corpus

HIDDEN, PROJECTED = 512, 256
"""Widths of the published projection head."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Params(Objective):
    """Phase 1 of the research notes: InfoNCE 0.7 behind the projection, AR 0.3 on raw vectors.

    Its 1,024 in-batch negatives take a batch of 1,024: accumulating gradients over smaller ones would not give them.
    """

    backbone: backbones.Params = nested(backbones.Params)
    residual: bool = param(False, doc="whether the mean of the context is added, so that the start is context_mean")
    lambda_infonce: float = param(0.7, low=0.0, high=100.0, doc="weight of InfoNCE")
    lambda_ar: float = param(0.3, low=0.0, high=100.0, doc="weight of the autoregressive cosine on raw vectors")
    projection: str = param(
        "hidden", choices=("none", "hidden"), doc="what InfoNCE sees: raw vectors, or a head D -> 512 -> 256 on both"
    )
    stop_gradient: str = param(
        "none", choices=("none", "target", "prediction"), doc="which of the projected vectors is held fixed in InfoNCE"
    )
    batch_size: int = param(1024, low=1, high=65_536, log=True, doc="training windows per step")


class Network(nn.Module):
    """(B, C, D) -> (B, D) of length 1: the backbone's last output, mapped back to D."""

    def __init__(self, params: Params, dim: int) -> None:
        super().__init__()
        width = params.backbone.d_model
        self.into, self.out = nn.Linear(dim, width), nn.Linear(width, dim)
        self.backbone = backbones.backbone(params.backbone)
        self.residual = params.residual
        if params.residual:
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)
        self.projection: nn.Module | None = None
        if params.projection == "hidden":
            self.projection = nn.Sequential(nn.Linear(dim, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, PROJECTED))

    def forward(self, windows: Tensor) -> Tensor:
        """Return the predictions."""
        predicted = self.out(self.backbone(self.into(windows))[:, -1])
        return F.normalize(predicted + windows.mean(1) if self.residual else predicted, dim=1)

    def project(self, vectors: Tensor) -> Tensor:
        """Return (..., 256) of length 1 for vectors (..., D), or the vectors themselves where there is no head."""
        return vectors if self.projection is None else F.normalize(self.projection(vectors), dim=-1)


@register(
    "lvm",
    summary="a causal sequence model (gru, transformer, state space) over the context predicts the next vector",
    source="seed 003",
    diagnoses=("split_objective",),
)
class LVM(NextVector[Params]):
    """GRU, transformer or state space over the window; InfoNCE and the autoregressive cosine, mixed.

    Documents are always ranked by the raw prediction, as published: the projection serves InfoNCE alone.
    """

    network: Network

    def __init__(self, params: Params, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        if params.projection == "none" and params.stop_gradient == "prediction" and params.lambda_infonce:
            raise ParamsError(
                "stop_gradient = prediction without a projection leaves InfoNCE nothing to learn: "
                "give projection: hidden, or another stop_gradient"
            )
        super().__init__(params, corpus, device)

    def build(self) -> Network:
        """Return a fresh network."""
        return Network(self.params, self.corpus.dim)

    def embed(self, vectors: Tensor, predicted: bool) -> Tensor:
        """Return the projected vectors, without gradient for the branch that is stopped."""
        projected = self.network.project(vectors)
        return (
            projected.detach() if self.params.stop_gradient == ("prediction" if predicted else "target") else projected
        )

    def _compared(self, held_out: str, aimed: Mapping[str, tuple[Tensor, Tensor]]) -> Inspection:
        """Add the cosines after the projection, and `split_objective` where it turns predictions from their targets."""
        raw, project = super()._compared(held_out, aimed), self.network.project
        cosines = {name: F.cosine_similarity(project(p), project(t)).mean().item() for name, (p, t) in aimed.items()}
        found = split_objective(raw.statistics[f"cosine_{held_out}"], cosines[held_out])
        projected = {f"projected_cosine_{name}": value for name, value in cosines.items()}
        return Inspection({**raw.statistics, **projected}, [*raw.diagnoses, *found])
