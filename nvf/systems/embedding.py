"""What all systems of trained heads share: queries and documents become embeddings, and the nearest ones answer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from typing_extensions import TypeVar

from nvf import seeding
from nvf.diagnostics.embedding_collapse import SAMPLE, alignment, embedding_collapse, spread
from nvf.errors import ParamsError
from nvf.params import flatten
from nvf.systems.base import Inspection
from nvf.systems.head import Head, HeadParams
from nvf.systems.pair_system import DualSystem
from nvf.systems.pairs import PairBatch
from nvf.tasks.base import Corpus, Split, Task
from nvf.types import Ranking, as_tensor

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


P = TypeVar("P", bound=HeadParams, default=Any)


class Embedding(DualSystem[P]):
    """A system of heads: a subclass says which ones (`build`) and what they are asked (`_parts`).

    Scores are cosines (l2), or (q . d - |d|^2 / 2) / D', whose order is that of Euclidean distance (n01).
    """

    transfers = True
    diagnoses = ("embedding_collapse",)
    network: nn.ModuleDict

    def __init__(self, params: P, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        weights = {name: value for name, value in flatten(params).items() if name.startswith("lambda_")}
        if not any(weights.values()):
            raise ParamsError(f"nothing to train {self.name} on: {', '.join(weights)} = 0; raise one of them")
        self._weights = {name.removeprefix("lambda_"): float(cast(float, value)) for name, value in weights.items()}
        super().__init__(params, corpus, device)

    @abstractmethod
    def build(self) -> nn.ModuleDict:
        """Return freshly drawn networks."""

    @abstractmethod
    def _parts(self, batch: Matched) -> Parts:
        """Return the parts of the loss."""

    def _query(self, vectors: Tensor) -> Tensor:
        """Return (B, D') the embeddings of queries (B, D) of length 1."""
        embedded: Tensor = self.network["head"](vectors)
        return embedded

    def _document(self, vectors: Tensor) -> Tensor:
        """Return (B, D') the embeddings of documents (B, D) of length 1."""
        embedded: Tensor = self.network["head"](vectors)
        return embedded

    def _calibrate(self, queries: Tensor, documents: Tensor) -> None:
        """Standardise as all heads are now, by samples of the training queries and the documents, of length 1."""
        for head in self.network.values():
            if isinstance(head, Head):
                head.calibrate(torch.cat([queries, documents]))

    def prepare(self, task: Task, seed: int) -> None:
        """Take the training queries, and draw the networks."""
        super().prepare(task, seed)
        self._seen = (
            F.normalize(_sample(self.pairs.vectors).to(self.device)),
            F.normalize(_sample(self.documents.vectors)),
        )
        self._calibrate(*self._seen)

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """Yield every training query once; after the last step the heads are calibrated."""
        self._slices = seeding.generator("slices", self.seed, epoch, device=self.device)
        yield from super().batches(epoch)
        self._calibrate(*self._seen)
        self.changed()

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Return the weighted parts of the loss whose weight is not 0; the others are not computed."""
        over = self.compete(batch)
        assert over.rows is not None, "heads compete over the batch"
        matched = Matched(F.normalize(batch.queries), self.unit(over.rows), over.targets, over.others)
        parts = self._parts(matched)
        return {name: weight * parts[name]() for name, weight in self._weights.items() if weight}

    def held_out_losses(self, split: Split) -> dict[str, float]:
        """Return the parts on `split`, by the heads as calibrated; directions of sigreg are the same at every epoch."""
        self._slices = seeding.generator("held out slices", device=self.device)
        return super().held_out_losses(split)

    def asked(self, queries: Tensor) -> Tensor:
        """Return (B, D'), or (B, D' + 1) for n01, what is searched with."""
        asked = self._query(F.normalize(queries))
        width = asked.shape[1]
        if self.params.formulation == "n01":
            asked = torch.cat([asked, torch.ones_like(asked[:, :1])], dim=1)
        return asked / width

    def answers(self, documents: Tensor) -> Tensor:
        """Return (M, D') the embeddings; for n01 with -|d|^2 / 2 behind, to be searched by a dot product."""
        embedded = self._document(documents)
        if self.params.formulation == "n01":
            return torch.cat([embedded, -embedded.square().sum(1, keepdim=True) / 2], dim=1)
        return embedded

    def unit(self, rows: Tensor) -> Tensor:
        """Return (M, D) the documents at `rows`, of length 1."""
        return F.normalize(self.documents.vectors[rows])

    @torch.no_grad()
    def inspect(self, split: Split, ranking: Ranking) -> Inspection:
        """Return how query and document embeddings fill their space, and how near each query is to its document.

        Where one of the two lost its spread, that is `embedding_collapse`.
        """
        self.network.eval()
        asked = F.normalize(_sample(as_tensor(split.queries.vectors)).to(self.device))
        queries = self._query(asked)
        documents = _sample(self.answering())[:, : queries.shape[1]]
        if min(len(queries), len(documents)) < 2 or not (queries.isfinite().all() and documents.isfinite().all()):
            return Inspection()
        raw = {"query": asked, "document": _sample(self.documents.vectors)}
        own = {"query": spread(queries), "document": spread(documents)}
        aligned = self._alignment(split)
        found = (embedding_collapse(side, spread(raw[side]), own[side], queries.shape[1], aligned) for side in own)
        statistics = {f"{side}_{name}": value for side, each in own.items() for name, value in asdict(each).items()}
        return Inspection({**statistics, "alignment": aligned}, next(filter(None, found), []))

    def _alignment(self, split: Split) -> float:
        qrels = split.qrels.relevant()
        query_rows, rows = (_sample(torch.from_numpy(side)) for side in (qrels.query_rows, qrels.rows))
        queries = self._query(F.normalize(as_tensor(split.queries.vectors)[query_rows].to(self.device)))
        return alignment(queries, self.answering()[rows.to(self.device), : queries.shape[1]])


def _sample(vectors: Tensor) -> Tensor:
    """Return at most `SAMPLE` of the rows, evenly spaced."""
    return vectors[:: -(-len(vectors) // SAMPLE) or 1]
