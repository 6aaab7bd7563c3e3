"""Memory: what was judged for similar training queries, spread to similar documents."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nvf.errors import ParamsError
from nvf.indexes.exact import top_k
from nvf.losses.info_nce import info_nce
from nvf.params import nested, param
from nvf.systems import kernel_ridge, nudge, register
from nvf.systems.base import System
from nvf.systems.diffusion import Diffusion
from nvf.systems.documents import Documents
from nvf.systems.judgements import Judgements
from nvf.systems.kernel_ridge import KernelRidge
from nvf.systems.pairs import PairBatch, Pairs, needs_pairs
from nvf.systems.transform import Transform
from nvf.systems.words import Words, of_best
from nvf.tasks.base import Corpus, Task
from nvf.types import Queries, Ranking, as_tensor

BLOCK = 16_000_000
"""How many scores are held at once (64 MB)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Learning:
    """How the closed form is improved by gradient; by default it is not. The other defaults are NFCorpus's dev's."""

    epochs: int = param(0, low=0, high=10_000, doc="epochs after which it stops learning; 0 is the closed form")
    lr: float = param(5e-4, low=1e-6, high=0.1, log=True, doc="learning rate of Adam for the transforms")
    scalar_lr: float = param(1e-3, low=0.0, high=0.1, doc="and for weight and temperatures")
    batch_size: int = param(256, low=1, high=65_536, log=True, doc="training queries per step")
    temperature: float = param(0.2, low=0.01, high=2.0, log=True, doc="of the softmax over the scores in the loss")


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """How much is remembered, how far it spreads, and whether that is learned.

    The defaults are the setting of the research notes that is better than the raw encoder on all documents of NFCorpus
    and no worse on cold ones.
    """

    recall: str = param(
        "attention",
        choices=("attention", "ridge"),
        doc="softmax over similar training queries, or kernel ridge regression",
    )
    temperature: float = param(0.05, low=0.005, high=1.0, log=True, doc="of the attention over training queries")
    ridge: kernel_ridge.Params = nested(kernel_ridge.Params)
    lexical: float = param(
        0.0,
        low=0.0,
        high=10.0,
        doc="weight of BM25, in parts of the query's best, beside the cosine; above 0 needs text",
    )
    weight: float = param(0.3, low=0.0, high=100.0, doc="of the memory beside the cosine; 0 leaves it out")
    discount: float = param(
        0.0, low=0.0, high=1.0, doc="0: every judgement counts alike; 1: every query, shared among its documents"
    )
    diffusion: bool = param(True, doc="whether documents near the judged ones get a share; else only judged ones do")
    neighbours: int = param(16, low=1, high=1024, log=True, doc="how many judged documents each listens to")
    document_temperature: float = param(0.02, low=0.001, high=1.0, log=True, doc="of the softmax over those")
    self_share: float = param(
        0.5, low=0.0, high=1.0, doc="part of its own judgements in what a judged document gets; the rest is diffused"
    )
    novelty: float = param(1.0, low=0.0, high=10.0, doc="factor on what is diffused to documents that nobody judged")
    nudge: nudge.Params = nested(nudge.Params, gamma=0.0)
    learning: Learning = nested(Learning)


class Recall(nn.Module):
    """What is learned: both views of the query, and the scalars, which start where the parameters put them.

    Self share and novelty are not among them: they say what new documents are worth, of which the likelihood of judged
    answers knows nothing. Learned along, novelty fell from 1.3 to 0.8 in three epochs on NFCorpus, and nDCG@10 on
    dev's cold documents from 0.118 to 0.027.
    """

    def __init__(self, params: Params, dim: int) -> None:
        super().__init__()
        self.beside_documents, self.beside_queries = (
            Transform(dim, kind="linear", residual=True, hidden=1, rank=None, dropout=0.0) for _ in range(2)
        )
        self.log_temperature = nn.Parameter(torch.tensor(math.log(params.temperature)))
        self.log_document_temperature = nn.Parameter(torch.tensor(math.log(params.document_temperature)))
        self.weight = nn.Parameter(torch.tensor(params.weight))


@register(
    "memory",
    summary="cosine plus the judgements of similar training queries, diffused to the documents near the judged ones",
    source=(
        "beyond the seeds; Khandelwal et al., 2020 (kNN-LM), Saunders et al., 1998 (kernel ridge), "
        "Diaz, 2005 (score regularisation)"
    ),
)
class Memory(System[Params]):
    """Cosine, and BM25, plus what the judged training queries say.

        score(q, d) = cos(U q, d') + lexical * BM25(q, d) / max over documents of BM25(q, .)
                      + weight * sum over judged documents c of A(d, c) * e(q, c),
        e(q, c) = sum over training queries j of a_j(q) * rel(j, c) / n_j^discount,

    with d' the nudged document (gamma 0: d itself), n_j the sum of the grades of query j, and A the diffusion of
    `nvf.systems.diffusion`: from the judged documents near d, by the cosines of the documents as they are. Without
    diffusion A is the identity, and a document that nobody judged gets nothing: then it is buried.

    The weights a(q) are soft attention, softmax_j(cos(V q, V q_j) / temperature), or those of a kernel ridge
    regression: see `nvf.systems.kernel_ridge`.

    In closed form U and V are the identity. They (x + W x each), weight and temperatures may be learned from there, by
    InfoNCE over the corpus: then a training query does not remember itself, and the documents stand where they are, for
    a nudge would tell it its own answers. A ridge is not learned further: with `learning.epochs` it is refused.
    """

    applies_to = staticmethod(needs_pairs)

    def __init__(self, params: Params, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        if params.recall == "ridge" and params.learning.epochs:
            raise ParamsError(
                f"learning.epochs = {params.learning.epochs} with recall = ridge, which is a closed form; leave "
                "it at 0, in a space with `when: {recall: attention}`"
            )
        self._documents = Documents(corpus, self.device)
        self._words = Words(corpus)
        self._recall = Recall(params, corpus.dim).to(self.device)
        self.changed()

    def prepare(self, task: Task, seed: int) -> None:
        """Take the judged training queries; the closed form needs no draw."""
        self._pairs, self._seed = Pairs(task, self.device), seed
        self._asked = task.train.queries
        self._recall = Recall(self.params, self.corpus.dim).to(self.device)
        self._remember(Judgements.of(task, self.device))

    def module(self) -> nn.Module:
        """Return the transforms and scalars."""
        return self._recall

    def epochs(self, limit: int) -> int:
        """Return the budget, or its own `learning.epochs` where that is less."""
        return min(limit, int(self.params.learning.epochs))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the matrices and the scalars."""
        every, learning = [*self._recall.parameters()], self.params.learning
        return [
            {"params": [parameter for parameter in every if parameter.ndim], "lr": learning.lr},
            {"params": [parameter for parameter in every if not parameter.ndim], "lr": learning.scalar_lr},
        ]

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        """Yield every training query once."""
        return self._pairs.batches(self.params.learning.batch_size, self._seed, epoch)

    def losses(self, batch: PairBatch) -> dict[str, Tensor]:
        """Return InfoNCE over the corpus, each query without its own memory."""
        learning, judged = self.params.learning, self._judged
        own = torch.searchsorted(torch.from_numpy(self._pairs.rows), batch.rows).to(self.device)
        similar = self._similar(batch.queries, self._recall.beside_queries(judged.queries))
        similar = similar.scatter(1, own[:, None], torch.finfo(similar.dtype).min)
        cosines = self._plain.cosines(self._recall.beside_documents(batch.queries))
        if self.params.lexical:
            cosines = cosines + self._lexical(self._asked.select(batch.rows.numpy()))
        scores = cosines + self._recall.weight * self._bonus(F.softmax(similar, dim=1))
        return {"info_nce": info_nce(scores, batch.positives, temperature=learning.temperature, others=batch.others)}

    def changed(self) -> None:
        """Forget the training queries' view as it was."""
        self._keys: Tensor | None = None

    @torch.no_grad()
    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents of the highest score; raises `TaskError` where `lexical` lacks the text."""
        asked = as_tensor(queries.vectors, self.device)
        if len(asked) == 0:
            return self._documents.search(asked, k)  # a bag of no queries is more than torch can sum
        widest = max(len(self.corpus), len(self._judged.queries))
        again, first = self._documents.same
        found = []
        for rows in torch.arange(len(asked)).split(max(1, BLOCK // widest)):  # type: ignore[no-untyped-call]
            block = asked[rows]
            cosines = self._documents.cosines(self._recall.beside_documents(block))
            cosines[:, again] = cosines[:, first]
            if self.params.lexical:
                cosines += self._lexical(queries.select(rows.numpy()))
            scores = cosines + self._recall.weight * self._bonus(self._weights(block))
            found.append(top_k(scores, k, self._documents.order))
        return Ranking(torch.cat([scores for scores, _ in found]), torch.cat([rows for _, rows in found]))

    def state(self) -> dict[str, Tensor]:
        """Return what is learned, and the training queries with their judgements: see `Judgements`."""
        return super().state() | self._judged.state()

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take what `state` returned."""
        judged = Judgements.from_state(state, self.corpus, self.device)
        super().load_state({name: value for name, value in state.items() if name not in judged.state()})
        self._remember(judged)

    def _remember(self, judged: Judgements) -> None:
        params = self.params
        steps = params.nudge.gamma * nudge.nudges(judged, params.nudge.discount)
        self._judged = judged
        self.changed()
        self._plain = Documents(self.corpus, self.device)
        self._documents = nudge.moved(self.corpus, judged.documents, steps, self.device)
        self._relevance = torch.sparse_coo_tensor(
            judged.pairs.flip(0),
            judged.weights(params.discount),
            (len(judged.documents), len(judged.queries)),
            check_invariants=True,
        )
        self._diffusion: Diffusion | None = None
        if params.diffusion:
            self._diffusion = Diffusion.of(self._plain, judged.documents, params.neighbours)
        self._ridge = KernelRidge(judged.queries, params.ridge) if params.recall == "ridge" else None

    def _lexical(self, queries: Queries) -> Tensor:
        """Return (B, N) BM25 in parts of each query's best, times its weight; 0 where no document has a word of it."""
        return of_best(self._words.scores(queries).to(self.device), self.params.lexical)

    def _weights(self, queries: Tensor) -> Tensor:
        """Return (B, J) how much each training query says about queries (B, D)."""
        if self._ridge is not None:
            return self._ridge.weights(F.normalize(queries))
        if self._keys is None:
            self._keys = self._recall.beside_queries(self._judged.queries)
        return F.softmax(self._similar(queries, self._keys), dim=1)

    def _similar(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return (B, J) the attention's logits for queries (B, D)."""
        logits: Tensor = self._recall.beside_queries(queries) @ keys.T / self._recall.log_temperature.exp()
        return logits

    def _bonus(self, weights: Tensor) -> Tensor:
        """Return (B, N) what the memory says of each document, given the weights (B, J) of the training queries."""
        evidence = torch.sparse.mm(self._relevance, weights.T)
        if self._diffusion is None:
            bonus: Tensor = evidence.new_zeros(len(self.corpus), len(weights))
            return bonus.index_copy(0, self._judged.documents, evidence).T
        temperature = self._recall.log_document_temperature.exp()
        return self._diffusion.spread(evidence, temperature, self.params.self_share, self.params.novelty).T
