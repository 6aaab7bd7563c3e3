"""A Siamese net: one encoder for queries and documents, a head for each."""

from __future__ import annotations

from torch import Tensor, nn

from nvf.systems import register
from nvf.systems.two_tower import Tower, Towers, TwoTower


class Head(nn.Module):
    """h -> h + W h, W 0 at the start."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.change = nn.Linear(dim, dim, bias=False)
        nn.init.zeros_(self.change.weight)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return (B, D) for (B, D)."""
        moved: Tensor = vectors + self.change(vectors)
        return moved


@register(
    "siamese",
    summary="one encoder for queries (vectors or windows) and documents, a linear head each; InfoNCE",
    source="seed 003; Bromley et al., Signature Verification using a Siamese Time Delay Neural Network, 1993",
)
class Siamese(TwoTower):
    """As `two_tower`, but both towers begin with the same encoder, and only their heads differ."""

    def build(self) -> Towers:
        """Return fresh towers over one encoder."""
        encoder = Tower(self.params, self.corpus.dim)
        return Towers(self.params.recency, *(nn.Sequential(encoder, Head(self.corpus.dim)) for _ in range(2)))
