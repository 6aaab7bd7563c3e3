"""A linear head on the frozen vectors: x + W x."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nvf.params import param
from nvf.systems import candidates
from nvf.systems.base import System
from nvf.systems.documents import Documents, in_blocks, inverse_norms
from nvf.systems.pairs import PairBatch, Pairs, held_out_losses, needs_pairs
from nvf.tasks.base import Corpus, Split, Task
from nvf.types import Queries, Ranking, as_tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Params(candidates.Params):
    """How the head is shaped and trained.

    The defaults (shared, lr 3e-4, temperature 0.05) did best on the docstrings task; the batch size is a guess.
    """

    heads: str = param(
        "shared",
        choices=("query", "shared", "separate"),
        doc="one head on the query only, one for query and document, or one for each",
    )
    temperature: float = param(0.05, low=0.01, high=0.2, log=True, doc="temperature of the softmax over cosines")
    lr: float = param(3e-4, low=1e-6, high=0.1, log=True, doc="learning rate of Adam")
    weight_decay: float = param(0.0, low=0.0, high=1.0, doc="L2 penalty on W, which pulls towards the raw encoder")
    batch_size: int = param(128, low=1, high=65_536, log=True, doc="training queries per step")
    dropout: float = param(0.0, low=0.0, high=0.9, doc="share of the inputs of W that is dropped in training")
    train_share: float = param(
        1.0, low=0.001, high=1.0, log=True, doc="share of the training queries that is used; less is part of more"
    )
    epochs: int | None = param(
        None, low=1, high=10_000, log=True, doc="epochs after which it stops learning; null: the budget's"
    )


class Linear(System):
    """Cosine of x + W x, trained with InfoNCE; W starts at 0, so that epoch 0 is the raw encoder."""

    name = "linear"
    summary = "cosine of x + Wx on the query, on both (shared) or on both (separate); InfoNCE over the corpus"
    source = "beyond the seeds; van den Oord et al., 2018 (InfoNCE)"
    Params = Params
    transfers = True

    def __init__(self, params: Any, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        self._documents = Documents(corpus, self.device)
        names = ("query", "document") if params.heads == "separate" else ("query",)
        self._heads = nn.ModuleDict({name: nn.Linear(corpus.dim, corpus.dim, bias=False) for name in names}).to(
            self.device
        )
        self._scale: Tensor | None = None

    @classmethod
    def applies_to(cls, task: Task) -> str | None:
        """Return what is missing to train on."""
        return needs_pairs(task)

    def prepare(self, task: Task, seed: int) -> None:
        """Take the training queries; W = 0 needs no draw."""
        candidates.check(task, self.params.negatives)
        self._pairs, self._seed = Pairs(task, self.device, self.params.train_share), seed
        for weight in self._heads.parameters():
            nn.init.zeros_(weight)
        self._scale = None

    def module(self) -> nn.Module:
        """Return the heads."""
        return self._heads

    def epochs(self, limit: int) -> int:
        """Return the budget, or its own `epochs` where that is less."""
        return min(limit, self.params.epochs or limit)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return one group."""
        return [{"params": [*self._heads.parameters()], "lr": self.params.lr, "weight_decay": self.params.weight_decay}]

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """Yield every training query once."""
        candidates.mine(self._pairs, self.params.negatives, self.params.mined, self._documents, self.rank)
        return self._pairs.batches(self.params.batch_size, self._seed, epoch)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Return InfoNCE over what `negatives` says."""
        self._heads.train()
        return self._losses(batch)

    def held_out_losses(self, split: Split) -> dict[str, float]:
        """Return the parts on `split`."""
        self._heads.eval()
        return held_out_losses(split, self.params.batch_size, self.device, self._losses)

    def _losses(self, batch: PairBatch) -> dict[str, Tensor]:
        over = candidates.candidates(batch, len(self._documents), self.params.negatives, self.params.sample)
        queries = self._moved(self._query_head, batch.queries)
        if self._document_head is None:
            scores = self._documents.cosines(queries, over.rows)
        else:
            vectors = self._documents.vectors if over.rows is None else self._documents.vectors[over.rows]
            scores = queries @ self._moved(self._document_head, vectors).T
        return {"info_nce": over.loss(scores, self.params.temperature)}

    def after_step(self) -> None:
        """Forget the documents' lengths under the head as it was."""
        self._scale = None

    @torch.no_grad()
    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents of the highest cosine after the heads.

        The document's head W is applied to the query instead, q . (d + W d) = (q + W^T q) . d, so that no transformed
        copy of the corpus is made; only the N lengths of d + W d are kept until the next step.
        """
        asked, scale = self._asked(queries)
        return self._documents.search(asked, k, scale)

    @torch.no_grad()
    def scores(self, queries: Queries) -> Tensor:
        """Return (B, N) cosines after the heads of a block of queries with all documents."""
        return self._documents.scores(*self._asked(queries))

    def _asked(self, queries: Queries) -> tuple[Tensor, Tensor | None]:
        """Return what is asked (B, D), and what the documents' dot products with it are scaled by; see `rank`."""
        self._heads.eval()
        asked = self._moved(self._query_head, as_tensor(queries.vectors, self.device))
        head = self._document_head
        if head is None:
            return asked, None
        if self._scale is None:
            blocks = in_blocks(self._documents.vectors)
            self._scale = torch.cat([inverse_norms(block + head(block)) for block in blocks])
        return asked + asked @ head.weight, self._scale

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take the heads."""
        super().load_state(state)
        self._scale = None

    @property
    def _query_head(self) -> nn.Linear:
        return cast(nn.Linear, self._heads["query"])

    @property
    def _document_head(self) -> nn.Linear | None:
        if self.params.heads == "query":
            return None
        return cast(nn.Linear, self._heads["query" if self.params.heads == "shared" else "document"])

    def _moved(self, head: nn.Linear, vectors: Tensor) -> Tensor:
        dropped = F.dropout(vectors, self.params.dropout, self._heads.training)
        return F.normalize(vectors + head(dropped), dim=1)
