"""What `two_stage` is made of: both stages' weights, and what the reranker learns from."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

from torch import Tensor

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
        (2, P) int64 pairs (query, place) of what is no negative: further relevant documents, and places without one.
    """

    places: Tensor
    transformed: Tensor
    raw: Tensor
    rows: Tensor
    targets: Tensor
    others: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def right(self, scores: Tensor) -> Tensor:
        """Return (B,) whether the true document has the highest of the scores (B, M), its query's others apart."""
        known = scores.index_put((self.others[0], self.others[1]), scores.new_tensor(-math.inf))
        return known.argmax(1) == self.targets


class Pipeline(rerankers.Judged):
    """Both stages, with the reranker that did best on the held-out queries: the one that ranks, if any does.

    In joint training `kept` is the stage one that it did best with, and ranks too; else stage one is done by then.
    """

    def __init__(
        self, stage_one: soft_attention.Params, reranker: rerankers.Params, dim: int, *, joint: bool = False
    ) -> None:
        super().__init__()
        self.stage_one = soft_attention.Attention(stage_one, dim)
        self.reranker = rerankers.Reranker(reranker, dim)
        self.best = copy.deepcopy(self.reranker).requires_grad_(False)
        self.kept = copy.deepcopy(self.stage_one).requires_grad_(False) if joint else None

    @property
    def first(self) -> soft_attention.Attention:
        """The stage one that ranks."""
        return self.stage_one if self.kept is None else self.kept

    def keep(self, *, reranks: bool = True) -> None:
        """Let the stages as they are now rank, or stage one alone."""
        self.best.load_state_dict(self.reranker.state_dict())
        self.reranks.fill_(reranks)
        if self.kept is not None:
            self.kept.load_state_dict(self.stage_one.state_dict())
