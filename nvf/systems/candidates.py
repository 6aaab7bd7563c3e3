"""What a query's answer competes with in InfoNCE: one way for every system that learns from pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nvf.errors import ParamsError
from nvf.losses import Loss
from nvf.losses.info_nce import info_nce
from nvf.params import nested, param
from nvf.systems.documents import Documents
from nvf.systems.pairs import PairBatch, Pairs
from nvf.systems.windows import as_windows
from nvf.tasks.base import Task
from nvf.types import BoolArray, IntArray, Queries, Ranking

SAMPLE = "how many documents of the corpus are drawn in each step where it is the corpus that competes; null: all of it"
BLOCK = 16_384
"""Training queries that are ranked at a time for their hard negatives: 50 MB of vectors, 768 wide."""
Search = Callable[[Queries, int], Ranking]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mining:
    """Which documents are hard negatives; the margin is NV-Retriever's best (95 % of the positive's score)."""

    k: int = param(16, low=1, high=1000, log=True, doc="how many of the best-ranked documents of a query are looked at")
    margin: float | None = param(
        0.05,
        low=0.0,
        high=1.0,
        doc="by what share of the positive's score a negative's must be lower; null: it may be higher",
    )
    model: str = param(
        "raw", choices=("raw", "current"), doc="who ranks: the frozen encoder, or what is trained, anew in each epoch"
    )


class PairParams:
    """What `nvf.systems.pair_system` asks of parameters; what a system does not declare as one stays at this."""

    lr: float
    batch_size: int
    weight_decay: float = 0.0
    train_share: float = 1.0
    epochs: int | None = None
    negatives: str = "batch"
    sample: int | None = None
    mined: Mining = Mining()
    loss: str = "info_nce"


@dataclass(frozen=True, kw_only=True, slots=True)
class Params(PairParams):
    """Which negatives a system has."""

    negatives: str = param(
        "corpus",
        choices=("corpus", "batch", "judged", "mined"),
        doc="what the true document competes with: the corpus, those of the batch, or these and what was judged "
        "irrelevant (grade 0), or these and what ranks high",
    )
    sample: int | None = param(None, low=1, high=10_000_000, log=True, doc=SAMPLE)
    mined: Mining = nested(Mining)


@dataclass(frozen=True, slots=True)
class Candidates:
    """M documents over which B queries compete.

    Attributes
    ----------
    rows
        (M,) int64 corpus rows, ascending; None for the whole corpus.
    targets
        (B,) int64 the place of each query's document among them.
    others
        (2, P) int64 pairs (query, place) of what else is relevant, and so no negative.
    log_weights
        (M,) log of how many documents of the corpus each stands for; None where each stands for itself.
    by
        What is minimised over them.
    """

    rows: Tensor | None
    targets: Tensor
    others: Tensor
    log_weights: Tensor | None = None
    by: Loss = info_nce

    def loss(self, scores: Tensor, temperature: float | Tensor = 1.0, others: Tensor | None = None) -> Tensor:
        """Return the loss over scores (B, M); columns behind those M stand for themselves, masked by `others`."""
        return self.by(
            scores,
            self.targets,
            temperature=temperature,
            others=self.others if others is None else torch.cat([self.others, others], dim=1),
            log_weights=self.log_weights,
        )


def candidates(batch: PairBatch, documents: int, negatives: str = "batch", sample: int | None = None) -> Candidates:
    """Return what a batch competes over, of a corpus of so many `documents`.

    Negatives are shared: what is one query's document, or its hard negative, is a negative of all others in the batch
    that it is not relevant to.

    A sample of the corpus estimates the softmax over all of it. The documents of the batch are known and stand for
    themselves; what is drawn of the rest stands for all the rest, so that the sum under the softmax has the right
    expectation.

    Notes
    -----
    Bengio and Senecal, Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic Language Model,
    2008, with a uniform proposal; that the positive is certain, and so takes no part in the correction, is Khrylchenko
    et al., Correcting the LogQ Correction, RecSys 2025.
    """
    if negatives == "corpus" and (sample is None or sample >= documents):
        return Candidates(None, batch.positives, batch.others)
    own = {"judged": batch.judged, "mined": batch.mined}.get(negatives)
    rows = certain = unique(batch.positives if own is None else torch.cat([batch.positives, own[1]]))
    log_weights = None
    if negatives == "corpus":
        draw = np.random.default_rng(batch.seed).choice(documents, sample, replace=False, shuffle=False)
        rows = unique(torch.cat([certain, torch.from_numpy(draw).to(certain)]))
        drawn = ~torch.isin(rows, certain)
        stands_for = (documents - len(certain)) / max(1, int(drawn.sum()))
        log_weights = torch.where(drawn, math.log(max(1.0, stands_for)), 0.0)
    queries, others = batch.others
    place = torch.searchsorted(rows, others.contiguous()).clamp(max=len(rows) - 1)
    present = rows[place] == others
    return Candidates(
        rows, torch.searchsorted(rows, batch.positives), torch.stack([queries[present], place[present]]), log_weights
    )


def unique(rows: Tensor) -> Tensor:
    """Return the different rows, ascending."""
    return rows.unique()  # type: ignore[no-any-return, no-untyped-call]


def check(task: Task, negatives: str) -> None:
    """Raise `ParamsError` where judged negatives are asked for and there are none."""
    qrels = task.train.qrels
    if negatives == "judged" and not ((qrels.grades <= 0) & (qrels.rows >= 0)).any():
        raise ParamsError(
            f"negatives = judged needs training judgements of grade 0, and {task.name} has none; "
            "take mined, batch or corpus"
        )


def mine(pairs: Pairs, negatives: str, mining: Mining, documents: Documents, current: Search) -> None:
    """Give the coming batches of `pairs` their hard negatives: those of `current` anew, those of the encoder once."""
    if negatives != "mined" or (pairs.mined is not None and mining.model == "raw"):
        return

    def raw(queries: Queries, k: int) -> Ranking:
        asked = F.normalize(as_windows(queries.vectors, documents.vectors.device)[:, -1])
        return documents.search(asked, k)

    search = raw if mining.model == "raw" else current
    blocks = (pairs.rows[start : start + BLOCK] for start in range(0, len(pairs), BLOCK))
    rankings = (search(pairs.split.queries.select(rows), mining.k) for rows in blocks)
    pairs.mined = Mined(pairs, rankings, mining.margin)


class Mined:
    """The best-ranked documents of every training query, less what is relevant to it, and its own document.

    Parameters
    ----------
    pairs
        Whose queries were ranked.
    rankings
        Of the queries at `pairs.rows`, `BLOCK` after `BLOCK`.
    margin
        See `Mining`. Where a positive is not ranked at all, everything ranked lies above it, and nothing is mined.

    Notes
    -----
    De Souza P. Moreira et al., NV-Retriever, 2024 (TopK-PercPos); `mine_hard_negatives` of sentence-transformers.
    """

    def __init__(self, pairs: Pairs, rankings: Iterable[Ranking], margin: float | None) -> None:
        self._at, self._margin = pairs.rows, margin
        found = [(each.rows.cpu().numpy().astype(np.int32), each.scores.cpu().numpy()) for each in rankings]
        self._rows, self._scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
        starts = range(0, len(self._at), BLOCK)
        self._free = np.concatenate([self._may(pairs, slice(start, start + BLOCK)) for start in starts])

    def _may(self, pairs: Pairs, block: slice) -> BoolArray:
        """Return (B, K) whether each document that was ranked for a block of queries may be a negative of it."""
        at, ranked = self._at[block], self._rows[block]
        queries, rows = pairs.relevant(at)
        documents = max(int(ranked.max(initial=0)), int(rows.max(initial=0))) + 1
        keys = np.arange(len(at))[:, None] * documents + ranked
        relevant = np.isin(keys, queries * documents + rows)
        free: BoolArray = ~relevant & (ranked >= 0) & (ranked != pairs.split.own[at][:, None])
        return free

    def __call__(self, queries: IntArray, positives: IntArray) -> IntArray:
        """Return (2, K) pairs (place, corpus row) for queries (B,), rows of the split, with a document (B,) each."""
        at = np.searchsorted(self._at, queries)
        rows, scores, free = self._rows[at], self._scores[at], self._free[at]
        if self._margin is not None:
            found = rows == positives[:, None]
            score = np.where(found, scores, -np.inf).max(1, keepdims=True)
            free = free & (scores <= score - self._margin * np.abs(score)) & found.any(1, keepdims=True)
        places, columns = np.nonzero(free)
        return np.stack([places, rows[places, columns].astype(np.int64)])
