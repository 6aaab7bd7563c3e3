"""Two towers: one net for what is asked, another for the documents, trained to meet."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nvf.errors import ParamsError
from nvf.params import param
from nvf.systems import candidates, register
from nvf.systems.pair_system import DualSystem
from nvf.systems.pairs import PairBatch, needs_pairs
from nvf.systems.windows import copies_in, needs_training_windows
from nvf.tasks.base import Task


@dataclass(frozen=True, kw_only=True, slots=True)
class Params(candidates.Params):
    """How the towers are shaped and trained. The research notes name depth, width and temperature without values."""

    depth: int = param(1, low=1, high=16, doc="hidden layers of a tower")
    width: int = param(512, low=1, high=8192, log=True, doc="width of each")
    recency: float = param(0.0, low=0.0, high=20.0, doc="how fast a window's older vectors fade; learned from there")
    temperature: float = param(0.07, low=0.01, high=1.0, log=True, doc="temperature of the softmax over cosines")
    negatives: str = param(
        "batch",
        choices=("batch", "context", "judged", "mined", "corpus"),
        doc="what the true document competes with: those of the batch; these and the vectors of its own window, what "
        "was judged irrelevant (grade 0), or what ranks high; or the corpus",
    )
    dropout: float = param(0.1, low=0.0, high=0.9, doc="share of the hidden values dropped in training")
    lr: float = param(3e-4, low=1e-6, high=0.1, log=True, doc="learning rate of Adam")
    batch_size: int = param(256, low=2, high=65_536, log=True, doc="training queries per step")


class Tower(nn.Module):
    """x -> x + f(x), f a net of `depth` hidden layers whose last layer starts at 0."""

    def __init__(self, params: Params, dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in [dim, *[params.width] * (params.depth - 1)]:
            layers += [nn.Linear(width, params.width), nn.GELU(), nn.Dropout(params.dropout)]
        last = nn.Linear(params.width, dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.change = nn.Sequential(*layers, last)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return (..., D), of any length, for (..., D)."""
        moved: Tensor = vectors + self.change(vectors)
        return moved


class Recency(nn.Module):
    """One vector for a window: the mean of its unit vectors with weights exp(-rate * age), the rate learned."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(rate))

    def forward(self, windows: Tensor) -> Tensor:
        """Return (B, D) for (B, C, D); at rate 0 the direction of the mean, at a large one the last vector."""
        age = torch.arange(windows.shape[1] - 1, -1, -1, device=windows.device)
        weights = (-self.rate * age).softmax(0)
        return F.normalize(weights @ F.normalize(windows, dim=-1), dim=-1)


class Towers(nn.Module):
    """A net (B, D) -> (B, D) each for what is asked and for the documents."""

    def __init__(self, recency: float, query: nn.Module, document: nn.Module) -> None:
        super().__init__()
        self.recency, self.query, self.document = Recency(recency), query, document

    def asked(self, windows: Tensor) -> Tensor:
        """Return (B, D) for windows (B, C, D)."""
        return F.normalize(self.query(self.recency(windows)), dim=-1)

    def answers(self, documents: Tensor) -> Tensor:
        """Return (..., D) for unit documents (..., D)."""
        return F.normalize(self.document(documents), dim=-1)


@register(
    "two_tower",
    summary="separate nets for queries (vectors or windows) and documents; InfoNCE",
    source="seed 003; Karpukhin et al., Dense Passage Retrieval, 2020",
    transfers=True,
)
class TwoTower(DualSystem[Params]):
    """Cosine of query tower and document tower, trained with InfoNCE, over the documents of the batch by default.

    A query is one vector or a window. Untrained, it is the raw encoder, or the fading mean of a window's unit vectors.
    """

    network: Towers

    @classmethod
    def applies_to(cls, task: Task) -> str | None:
        """Return what is missing to train on."""
        needs = needs_training_windows if task.split("dev").queries.vectors.ndim == 3 else needs_pairs
        return needs(task)

    def prepare(self, task: Task, seed: int) -> None:
        """Take the training queries and draw the towers."""
        if self.params.negatives == "context" and task.train.queries.vectors.ndim == 2:
            raise ParamsError(f"negatives = context needs windows, and each query of {task.name} is one vector")
        super().prepare(task, seed)

    def build(self) -> Towers:
        """Return fresh towers."""
        return Towers(self.params.recency, *(Tower(self.params, self.corpus.dim) for _ in range(2)))

    def asked(self, queries: Tensor) -> Tensor:
        """Return (B, D) of length 1."""
        return self.network.asked(queries if queries.dim() == 3 else queries.unsqueeze(1))

    def answers(self, documents: Tensor) -> Tensor:
        """Return (M, D) of length 1."""
        return self.network.answers(documents)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Return InfoNCE over what `negatives` says."""
        over, asked, copies = self.compete(batch), self.asked(batch.queries), None
        scores = asked @ self.answers(self.documents.unit(over.rows)).T
        if self.params.negatives == "context":
            context = self.answers(F.normalize(batch.queries, dim=-1))
            copies = copies_in(batch.queries, self.documents.unit(batch.positives), scores.shape[1])
            scores = torch.cat([scores, (context @ asked.unsqueeze(-1)).squeeze(-1)], dim=1)
        return {"info_nce": over.loss(scores, self.params.temperature, copies)}
