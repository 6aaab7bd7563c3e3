"""A linear head on the frozen vectors: x + W x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nvf.params import param
from nvf.systems import candidates, register
from nvf.systems.documents import in_blocks, inverse_norms
from nvf.systems.pair_system import PairSystem
from nvf.systems.pairs import PairBatch
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


@register(
    "linear",
    summary="cosine of x + Wx on the query, on both (shared) or on both (separate); InfoNCE over the corpus",
    source="beyond the seeds; van den Oord et al., 2018 (InfoNCE)",
    transfers=True,
)
class Linear(PairSystem[Params]):
    """Cosine of x + W x, trained with InfoNCE; W starts at 0, so that epoch 0 is the raw encoder."""

    network: nn.ModuleDict

    def build(self) -> nn.ModuleDict:
        """Return the heads."""
        names = ("query", "document") if self.params.heads == "separate" else ("query",)
        heads = nn.ModuleDict({name: nn.Linear(self.corpus.dim, self.corpus.dim, bias=False) for name in names})
        for weight in heads.parameters():
            nn.init.zeros_(weight)
        return heads

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Return InfoNCE over what `negatives` says."""
        over, queries, head = self.compete(batch), self._moved(self._query_head, batch.queries), self._document_head
        if head is None:
            scores = self.documents.cosines(queries, over.rows)
        else:
            vectors = self.documents.vectors if over.rows is None else self.documents.vectors[over.rows]
            scores = queries @ self._moved(head, vectors).T
        return {"info_nce": over.loss(scores, self.params.temperature)}

    def changed(self) -> None:
        """Forget the documents' lengths under the head as it was."""
        self._scale: Tensor | None = None

    @torch.no_grad()
    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents of the highest cosine after the heads.

        The document's head W is applied to the query instead, q . (d + W d) = (q + W^T q) . d, so that no transformed
        copy of the corpus is made; only the N lengths of d + W d are kept until the next step.
        """
        asked, scale = self._asked(queries)
        return self.documents.search(asked, k, scale)

    @torch.no_grad()
    def cosines(self, queries: Queries) -> Tensor:
        """Return (B, N) cosines after the heads of a block of queries with all documents."""
        return self.documents.scores(*self._asked(queries))

    def _asked(self, queries: Queries) -> tuple[Tensor, Tensor | None]:
        """Return what is asked (B, D), and what the documents' dot products with it are scaled by; see `rank`."""
        self.network.eval()
        asked = self._moved(self._query_head, as_tensor(queries.vectors, self.device))
        head = self._document_head
        if head is None:
            return asked, None
        if self._scale is None:
            blocks = in_blocks(self.documents.vectors)
            self._scale = torch.cat([inverse_norms(block + head(block)) for block in blocks])
        return asked + asked @ head.weight, self._scale

    @property
    def _query_head(self) -> nn.Linear:
        return cast(nn.Linear, self.network["query"])

    @property
    def _document_head(self) -> nn.Linear | None:
        if self.params.heads == "query":
            return None
        return cast(nn.Linear, self.network["query" if self.params.heads == "shared" else "document"])

    def _moved(self, head: nn.Linear, vectors: Tensor) -> Tensor:
        dropped = F.dropout(vectors, self.params.dropout, self.network.training)
        return F.normalize(vectors + head(dropped), dim=1)
