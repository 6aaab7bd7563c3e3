"""Retrieve, then rerank: a first stage finds K candidates, the latent vector model orders them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nvf.diagnostics.stages import attribute, harmful_reranker
from nvf.params import nested, param
from nvf.systems import amn, lvm, raw
from nvf.systems.base import System
from nvf.systems.documents import Documents
from nvf.systems.pairs import PairBatch
from nvf.systems.ranking import rank_split
from nvf.systems.windows import needs_training_windows
from nvf.tasks.base import Corpus, Split, Task
from nvf.types import Diagnosis, Queries, Ranking

BLOCK = 256
"""How many windows' candidates are looked at at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Both stages; the depth is that of the research notes' Contain@50. `lvm.batch_size` is the batch of both."""

    first: str = param("amn", choices=("amn", "raw"), doc="what finds the candidates; amn is trained along")
    depth: int = param(50, low=2, high=1000, log=True, doc="K, how many candidates are reranked")
    amn: amn.Params = nested(amn.Params)
    lvm: lvm.Params = nested(lvm.Params)


class LVMRerank(System):
    """`amn` or `raw` finds K candidates, which are put in the order of their cosine to the prediction of `lvm`."""

    name = "lvm_rerank"
    summary = "amn or raw finds K candidates, the latent vector model orders them"
    source = "seed 003"
    Params = Params
    transfers = True

    def __init__(self, params: Any, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        self._documents = Documents(corpus, self.device)
        self._depth = min(params.depth, len(corpus))
        self._lvm = lvm.LVM(params.lvm, corpus, device)
        self._first: System = (
            amn.AMN(params.amn, corpus, device) if params.first == "amn" else raw.Raw(raw.Params(), corpus, device)
        )

    @classmethod
    def applies_to(cls, task: Task) -> str | None:
        """Return what is missing to train on."""
        return needs_training_windows(task)

    def prepare(self, task: Task, seed: int) -> None:
        """Prepare both stages."""
        for stage in (self._first, self._lvm):
            stage.prepare(task, seed)

    def module(self) -> nn.Module:
        """Return the networks of the stages that learn."""
        modules = {stage.name: stage.module() for stage in (self._first, self._lvm)}
        return nn.ModuleDict({name: module for name, module in modules.items() if module is not None})

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return a group for each stage that learns."""
        return self._first.parameter_groups() + self._lvm.parameter_groups()

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """Yield every training window once."""
        return self._lvm.batches(epoch)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Return both stages' parts; they share no parameter, so that neither disturbs the other."""
        stages = (self._first, self._lvm) if self._first.trained else (self._lvm,)
        return {f"{stage.name}.{part}": loss for stage in stages for part, loss in stage.losses(batch).items()}

    @torch.no_grad()
    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the first stage's list with its first K reranked.

        The reranker's cosines are shifted to end 1 above the first stage's score of its last candidate, so that the
        list as a whole stays sorted.
        """
        found = self._first.rank(queries, max(k, self._depth))
        rows, beyond = found.rows.tensor_split([self._depth], dim=1)
        last, rest = found.scores[:, self._depth - 1, None], found.scores[:, self._depth :]
        rows = rows.gather(1, self._documents.order[rows].argsort(dim=1, descending=True))  # so that ties go by id
        cosines = self._cosines(self._lvm.predict(queries), rows)
        shifted = cosines - cosines.amin(1, keepdim=True) + last + 1
        place = shifted.argsort(dim=1, descending=True, stable=True)
        scores = torch.cat([shifted.gather(1, place), rest], dim=1)
        return Ranking(scores[:, :k], torch.cat([rows.gather(1, place), beyond], dim=1)[:, :k])

    def diagnose(self, split: Split) -> list[Diagnosis]:
        """Return what ails the predictions, and `harmful_reranker` where the first stage alone does better."""
        before, after = (rank_split(stage, split, self._depth) for stage in (self._first, self))
        return self._lvm.diagnose(split) + harmful_reranker(attribute(before, after, split.qrels, self._depth))

    def statistics(self, split: Split) -> dict[str, float]:
        """Return what there is to know of the predictions, and which stage the errors on `split` are due to."""
        before, after = (rank_split(stage, split, self._depth) for stage in (self._first, self))
        return {**self._lvm.statistics(split), **attribute(before, after, split.qrels, self._depth).statistics()}

    def _cosines(self, predictions: Tensor, rows: Tensor) -> Tensor:
        """Return (Q, K) the cosine of each prediction (Q, D) to its candidates (Q, K)."""
        parts = [slice(at, at + BLOCK) for at in range(0, max(1, len(rows)), BLOCK)]
        return torch.cat([(self._documents.unit(rows[at]) @ predictions[at].unsqueeze(-1)).squeeze(-1) for at in parts])
