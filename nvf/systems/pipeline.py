"""What `two_stage` is made of: both stages' weights, and what the reranker learns from."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nvf.systems import rerankers, soft_attention


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the reranker learns from: B queries whose true document is among stage one's own K.

    Attributes
    ----------
    places
        (B,) int64 where the queries stand in the batch that they were taken from.
    transformed, raw
        (B, D) the queries after and before stage one's transform.
    rows
        (B, M) int64 corpus rows, stage one's best first; M is K, or more where candidates count by weight.
    targets
        (B,) int64 place of the true document among them.
    others
        (2, P) int64 pairs (query, place) of further relevant documents.
    """

    places: Tensor
    transformed: Tensor
    raw: Tensor
    rows: Tensor
    targets: Tensor
    others: Tensor

    def __len__(self) -> int:
        return len(self.rows)


class Pipeline(nn.Module):
    """Both stages, with the reranker that did best on the held-out queries: the one that ranks.

    In joint training `kept` is the stage one that it did best with, and ranks too; else stage one is done by then.
    `to_beat` is how many of them the next one must exceed (-1 before there was one), `stale` the epochs since then.
    """

    to_beat: Tensor
    stale: Tensor

    def __init__(
        self, stage_one: soft_attention.Params, reranker: rerankers.Params, dim: int, *, joint: bool = False
    ) -> None:
        super().__init__()
        self.stage_one = soft_attention.Attention(stage_one, dim)
        self.reranker = rerankers.Reranker(reranker, dim)
        self.best = copy.deepcopy(self.reranker).requires_grad_(False)
        self.kept = copy.deepcopy(self.stage_one).requires_grad_(False) if joint else None
        self.register_buffer("to_beat", torch.tensor(-1.0))
        self.register_buffer("stale", torch.tensor(0))

    @property
    def first(self) -> soft_attention.Attention:
        """The stage one that ranks."""
        return self.stage_one if self.kept is None else self.kept

    def keep(self, score: Tensor, *, reranker: bool = True) -> None:
        """Let the stages as they are now rank, the reranker only if it is of use; the next must exceed `score`."""
        self.best.load_state_dict(self.reranker.state_dict())
        if not reranker:
            self.best.mute()
        if self.kept is not None:
            self.kept.load_state_dict(self.stage_one.state_dict())
        self.to_beat.copy_(score)
        self.stale.zero_()
