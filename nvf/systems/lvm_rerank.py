"""Retrieve, then rerank: a first stage finds K candidates, the latent vector model orders them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nvf.params import nested, param
from nvf.systems import amn, lvm, raw, register
from nvf.systems.base import Inspection
from nvf.systems.pairs import PairBatch
from nvf.systems.reranking import RerankSystem
from nvf.systems.windows import needs_training_windows
from nvf.tasks.base import Corpus, Split, Task
from nvf.types import Queries, Ranking


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Both stages; the depth is that of the research notes' Contain@50. `lvm.batch_size` is the batch of both."""

    first: str = param("amn", choices=("amn", "raw"), doc="what finds the candidates; amn is trained along")
    depth: int = param(50, low=2, high=1000, log=True, doc="K, how many candidates are reranked")
    amn: amn.Params = nested(amn.Params)
    lvm: lvm.Params = nested(lvm.Params)


@register(
    "lvm_rerank",
    summary="amn or raw finds K candidates, the latent vector model orders them",
    source="seed 003",
    transfers=True,
    diagnoses=lvm.LVM.diagnoses,
)
class LVMRerank(RerankSystem[Params]):
    """`amn` or `raw` finds K candidates, which are put in the order of their cosine to the prediction of `lvm`."""

    applies_to = staticmethod(needs_training_windows)

    def __init__(self, params: Params, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        self._lvm = lvm.LVM(params.lvm, corpus, device)
        self.first = (
            amn.AMN(params.amn, corpus, device) if params.first == "amn" else raw.Raw(raw.Params(), corpus, device)
        )

    def prepare(self, task: Task, seed: int) -> None:
        """Prepare both stages."""
        for stage in (self.first, self._lvm):
            stage.prepare(task, seed)

    def module(self) -> nn.Module:
        """Return the networks of the stages that learn."""
        modules = {stage.name: stage.module() for stage in (self.first, self._lvm)}
        return nn.ModuleDict({name: module for name, module in modules.items() if module is not None})

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return a group for each stage that learns."""
        return self.first.parameter_groups() + self._lvm.parameter_groups()

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """Yield every training window once."""
        for batch in self._lvm.batches(epoch):
            self.module().train()
            yield batch

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Return both stages' parts; they share no parameter, so that neither disturbs the other."""
        stages = (self.first, self._lvm) if self.first.trained else (self._lvm,)
        return {f"{stage.name}.{part}": loss for stage in stages for part, loss in stage.losses(batch).items()}

    def asked(self, queries: Queries) -> Tensor:
        """Return the predictions of `lvm`."""
        return self._lvm.predict(queries)

    def rerank(self, asked: Tensor, scores: Tensor, rows: Tensor) -> Tensor:
        """Return the cosine of each prediction to its candidates."""
        return (self.unit(rows) @ asked.unsqueeze(-1)).squeeze(-1)

    def inspect(self, split: Split, ranking: Ranking) -> Inspection:
        """Add what shows of the predictions."""
        lvm, stages = self._lvm.inspect(split, ranking), super().inspect(split, ranking)
        return Inspection({**lvm.statistics, **stages.statistics}, [*lvm.diagnoses, *stages.diagnoses])
