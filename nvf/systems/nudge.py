"""Nudged documents: each judged one moves towards the training queries that it answers."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nvf.params import param
from nvf.systems import register
from nvf.systems.base import System
from nvf.systems.documents import Documents
from nvf.systems.judgements import Judgements
from nvf.systems.pairs import needs_pairs
from nvf.tasks.base import Corpus, Task
from nvf.types import Queries, Ranking, as_tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """How far the documents move.

    The paper chooses gamma on dev and lets every judgement count alike; the defaults are what NFCorpus's dev prefers.
    """

    gamma: float = param(1.0, low=0.0, high=10.0, doc="length of the move, in lengths of the document; 0 is raw")
    discount: float = param(
        0.5, low=0.0, high=1.0, doc="0: every judgement counts alike; 1: every query, shared among its documents"
    )


@register(
    "nudge",
    summary="each judged document moves by gamma along the mean of its training queries",
    source="beyond the seeds; Zeighami, Wellmer and Parameswaran, 2024 (NUDGE)",
)
class Nudge(System[Params]):
    """Cosine with documents moved in closed form.

    A document d of length 1 that answers the training queries q_j with grades rel(j, d) becomes

        d' = normalise(d + gamma * normalise(sum over j of rel(j, d) / n_j^discount * q_j)),

    with n_j the sum of the grades of query j. That sum is the gradient, with respect to d, of the mean similarity of
    training queries and their answers. A document that nobody judged stays where it is: it is overtaken by those that
    move towards where queries come from, which the figure on cold documents shows.
    """

    applies_to = staticmethod(needs_pairs)

    def prepare(self, task: Task, seed: int) -> None:
        """Move the judged documents; there is nothing to draw."""
        judged = Judgements.of(task, self.device)
        self._move(judged.documents, nudges(judged, self.params.discount))

    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents of the highest cosine after the move."""
        return self.documents.search(F.normalize(as_tensor(queries.vectors, self.device)), k)

    def state(self) -> dict[str, Tensor]:
        """Return the judged documents (M,) and the directions (M, D) that they move in."""
        return {"documents": self._rows.to("cpu", copy=True), "directions": self._directions.to("cpu", copy=True)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take what `state` returned."""
        rows, directions = state["documents"].to(self.device), state["directions"].to(self.device)
        if int(rows.max()) >= len(self.corpus):
            raise RuntimeError(f"document {int(rows.max())} moves, but the corpus has {len(self.corpus)}")
        self._move(rows, directions)

    def _move(self, rows: Tensor, directions: Tensor) -> None:
        self._rows, self._directions = rows, directions
        self.documents = moved(self.corpus, rows, self.params.gamma * directions, self.device)


def nudges(judged: Judgements, discount: float) -> Tensor:
    """Return (M, D) of length 1: the mean of the training queries that each judged document answers."""
    query, document = judged.pairs
    total = torch.zeros(len(judged.documents), judged.queries.shape[1], device=judged.queries.device)
    total.index_add_(0, document, judged.queries[query] * judged.weights(discount)[:, None])
    return F.normalize(total)


def moved(corpus: Corpus, rows: Tensor, steps: Tensor, device: torch.device) -> Documents:
    """Return the documents scaled to length 1, those at `rows` (M,) after `steps` (M, D) and scaled again."""
    documents = Documents(corpus, device)
    vectors = documents.unit(torch.arange(len(corpus), device=device))
    vectors[rows] = F.normalize(vectors[rows] + steps)
    return Documents(dataclasses.replace(corpus, vectors=vectors.cpu().numpy(), unit=True), device)
