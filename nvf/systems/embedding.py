"""What all systems of trained heads share: queries and documents become embeddings, and the nearest ones answer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nvf import seeding
from nvf.diagnostics.embedding_collapse import SAMPLE, alignment, embedding_collapse, spread
from nvf.errors import ParamsError
from nvf.indexes.exact import search
from nvf.params import flatten
from nvf.systems import candidates
from nvf.systems.base import Inspection, System
from nvf.systems.documents import Documents, in_blocks, stacked
from nvf.systems.head import Head
from nvf.systems.pairs import PairBatch, Pairs, held_out_losses, needs_pairs
from nvf.tasks.base import Corpus, Split, Task
from nvf.types import Queries, Ranking, as_tensor

Parts = Mapping[str, Callable[[], Tensor]]
"""Every part of a loss by name, computed when called; its weight is the parameter `lambda_` + name."""


@dataclass(frozen=True, slots=True)
class Matched:
    """B queries with the M different documents that answer them, or are the batch's judged or mined negatives.

    Attributes
    ----------
    queries
        (B, D) of length 1.
    documents
        (M, D) of length 1.
    targets
        (B,) int64 the place of each query's document among them.
    others
        (2, P) int64 pairs (query, place) of further relevant documents.
    """

    queries: Tensor
    documents: Tensor
    targets: Tensor
    others: Tensor


class Embedding(System):
    """A system of heads: a subclass says which ones (`_build`) and what they are asked (`_parts`)."""

    transfers = True

    def __init__(self, params: Any, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        names = [name for name in flatten(params) if name.startswith("lambda_")]
        self._weights: dict[str, float] = {name.removeprefix("lambda_"): getattr(params, name) for name in names}
        if not any(self._weights.values()):
            raise ParamsError(f"nothing to train {self.name} on: {', '.join(names)} = 0; raise one of them")
        self._negatives: str = getattr(params, "negatives", "batch")
        self._documents = Documents(corpus, self.device)
        self._heads = self._build().to(self.device)
        self._embedded: Tensor | None = None

    @abstractmethod
    def _build(self) -> nn.ModuleDict:
        """Return freshly drawn networks."""

    @abstractmethod
    def _parts(self, batch: Matched) -> Parts:
        """Return the parts of the loss."""

    def _query(self, vectors: Tensor) -> Tensor:
        """Return (B, D') what queries (B, D) of length 1 are searched with."""
        embedded: Tensor = self._heads["head"](vectors)
        return embedded

    def _document(self, vectors: Tensor) -> Tensor:
        """Return (B, D') where documents (B, D) of length 1 are found."""
        embedded: Tensor = self._heads["head"](vectors)
        return embedded

    def _calibrate(self, queries: Tensor, documents: Tensor) -> None:
        """Standardise as all heads are now, by samples of the training queries and the documents, of length 1."""
        for head in self._heads.values():
            if isinstance(head, Head):
                head.calibrate(torch.cat([queries, documents]))

    @classmethod
    def applies_to(cls, task: Task) -> str | None:
        """Return what is missing to train on."""
        return needs_pairs(task)

    def prepare(self, task: Task, seed: int) -> None:
        """Take the training queries, and draw the networks."""
        candidates.check(task, self._negatives)
        self._pairs, self._seed = Pairs(task, self.device, self.params.train_share), seed
        with seeding.forked(self.name, seed):
            self._heads = self._build().to(self.device)
        self._seen = (
            F.normalize(_sample(self._pairs.vectors).to(self.device)),
            F.normalize(_sample(self._documents.vectors)),
        )
        self._calibrate(*self._seen)
        self._embedded = None

    def module(self) -> nn.Module:
        """Return the networks."""
        return self._heads

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take the networks."""
        super().load_state(state)
        self._embedded = None

    def epochs(self, limit: int) -> int:
        """Return the budget, or its own `epochs` where that is less."""
        return min(limit, self.params.epochs or limit)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return one group."""
        return [{"params": [p for p in self._heads.parameters() if p.requires_grad], "lr": self.params.lr}]

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """Yield every training query once; after the last step the heads are calibrated."""
        self._slices = seeding.generator("slices", self._seed, epoch, device=self.device)
        if self._negatives == "mined":
            candidates.mine(self._pairs, self._negatives, self.params.mined, self._documents, self.rank)
        yield from self._pairs.batches(self.params.batch_size, self._seed, epoch)
        self._calibrate(*self._seen)
        self._embedded = None

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Return the weighted parts of the loss whose weight is not 0; the others are not computed."""
        self._heads.train()
        return self._losses(batch)

    def held_out_losses(self, split: Split) -> dict[str, float]:
        """Return the parts on `split`, by the heads as calibrated; directions of sigreg are the same at every epoch."""
        self._heads.eval()
        self._slices = seeding.generator("held out slices", device=self.device)
        return held_out_losses(split, self.params.batch_size, self.device, self._losses)

    def _losses(self, batch: PairBatch) -> dict[str, Tensor]:
        over = candidates.candidates(batch, len(self._documents), self._negatives)
        documents = F.normalize(self._documents.vectors[over.rows])
        parts = self._parts(Matched(F.normalize(batch.queries), documents, over.targets, over.others))
        return {name: weight * parts[name]() for name, weight in self._weights.items() if weight}

    def after_step(self) -> None:
        """Forget the embedded corpus."""
        self._embedded = None

    @torch.no_grad()
    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the nearest documents.

        Scores are cosines (l2), or (q . d - |d|^2 / 2) / D', whose order is that of Euclidean distance (n01).
        """
        self._heads.eval()
        asked = self._query(F.normalize(as_tensor(queries.vectors, self.device)))
        width = asked.shape[1]
        if self.params.formulation == "n01":
            asked = torch.cat([asked, torch.ones_like(asked[:, :1])], dim=1)
        return search(asked / width, self._corpus(), k, self._documents.order, same=self._documents.same)

    @torch.no_grad()
    def inspect(self, split: Split, ranking: Ranking) -> Inspection:
        """Return how query and document embeddings fill their space, and how near each query is to its document.

        Where one of the two lost its spread, that is `embedding_collapse`.
        """
        self._heads.eval()
        asked = F.normalize(_sample(as_tensor(split.queries.vectors)).to(self.device))
        queries = self._query(asked)
        documents = _sample(self._corpus())[:, : queries.shape[1]]
        if min(len(queries), len(documents)) < 2 or not (queries.isfinite().all() and documents.isfinite().all()):
            return Inspection()
        raw = {"query": asked, "document": _sample(self._documents.vectors)}
        own = {"query": spread(queries), "document": spread(documents)}
        aligned = self._alignment(split)
        found = (embedding_collapse(side, spread(raw[side]), own[side], queries.shape[1], aligned) for side in own)
        statistics = {f"{side}_{name}": value for side, each in own.items() for name, value in asdict(each).items()}
        return Inspection({**statistics, "alignment": aligned}, next(filter(None, found), []))

    def _alignment(self, split: Split) -> float:
        qrels = split.qrels.relevant()
        query_rows, rows = (_sample(torch.from_numpy(side)) for side in (qrels.query_rows, qrels.rows))
        queries = self._query(F.normalize(as_tensor(split.queries.vectors)[query_rows].to(self.device)))
        return alignment(queries, self._corpus()[rows.to(self.device), : queries.shape[1]])

    def _corpus(self) -> Tensor:
        """Return (N, D') the embedded documents; for n01 with -|d|^2 / 2 behind, to be searched by a dot product."""
        if self._embedded is None:
            blocks = in_blocks(self._documents.vectors)
            self._embedded = stacked((self._searched(block) for block in blocks), len(self._documents))
        return self._embedded

    def _searched(self, block: Tensor) -> Tensor:
        embedded = self._document(F.normalize(block))
        if self.params.formulation == "n01":
            return torch.cat([embedded, -embedded.square().sum(1, keepdim=True) / 2], dim=1)
        return embedded


def _sample(vectors: Tensor) -> Tensor:
    """Return at most `SAMPLE` of the rows, evenly spaced."""
    return vectors[:: -(-len(vectors) // SAMPLE) or 1]
