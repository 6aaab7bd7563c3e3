"""The learned transform of a query: what the first stage looks with."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


class Transform(nn.Module):
    """x -> normalise(L (x + f(x))), or normalise(L f(x)) without the residual.

    f is W x, or W2 gelu(W1 x + b1) + b2. With the residual its last layer starts at 0, so that the untrained transform
    is the raw query; without it, f starts as torch draws it. L is the identity or, where a rank r is given, U V with V
    (r, D) of orthonormal rows and U = V^T at the start: a view of the query through r directions, which are learned.

    Parameters
    ----------
    dim
        D.
    kind
        "linear" or "mlp".
    residual
        Whether x is added.
    hidden
        Width of the mlp.
    rank
        r, or None for no limit; D or more is no limit either.
    dropout
        Share of what enters W (linear) or W2 (mlp) that is dropped in training.
    """

    def __init__(self, dim: int, *, kind: str, residual: bool, hidden: int, rank: int | None, dropout: float) -> None:
        super().__init__()
        self.residual = residual
        if kind == "mlp":
            layers = [nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim)]
        else:
            layers = [nn.Dropout(dropout), nn.Linear(dim, dim, bias=False)]
        self.change = nn.Sequential(*layers)
        if residual:
            for parameter in layers[-1].parameters():
                nn.init.zeros_(parameter)
        self.down: nn.Linear | None = None
        if rank is not None and rank < dim:
            self.down, self.up = nn.Linear(dim, rank, bias=False), nn.Linear(rank, dim, bias=False)
            nn.init.orthogonal_(self.down.weight)
            with torch.no_grad():
                self.up.weight.copy_(self.down.weight.T)

    def forward(self, queries: Tensor) -> Tensor:
        """Return (B, D) of length 1 for queries (B, D)."""
        moved = self.change(queries)
        if self.residual:
            moved = queries + moved
        if self.down is not None:
            moved = self.up(self.down(moved))
        return F.normalize(moved, dim=1)
