"""Training queries, each with one of its relevant documents."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from nvf import seeding
from nvf.errors import TaskError
from nvf.systems.documents import needs_vectors
from nvf.tasks.base import Split, Task
from nvf.types import IntArray, as_tensor


def no_pairs() -> Tensor:
    """Return (2, 0)."""
    return torch.zeros(2, 0, dtype=torch.int64)


@dataclass(frozen=True, slots=True)
class PairBatch:
    """B training queries.

    Attributes
    ----------
    rows
        (B,) int64 where they stand in the training split.
    queries
        (B, D) float32.
    positives
        (B,) int64 corpus row of one relevant document of each.
    others
        (2, M) int64 pairs (place in the batch, corpus row) of what else is relevant to them, and so no negative: their
        further relevant documents, and those that were withheld (`Split.withheld`).
    judged, mined
        (2, K) int64 pairs of documents that somebody judged irrelevant to them, and of their hard negatives.
    seed
        For what else is drawn for this batch: it depends on nothing but the seed, the epoch and the step.
    """

    rows: Tensor
    queries: Tensor
    positives: Tensor
    others: Tensor
    judged: Tensor = dataclasses.field(default_factory=no_pairs)
    mined: Tensor = dataclasses.field(default_factory=no_pairs)
    seed: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def among_others(self, rows: Tensor) -> Tensor:
        """Return (B, K) whether each of the documents `rows` (B, K) of a query is among its `others`."""
        queries, documents = self.others
        pair, place = (rows[queries] == documents[:, None]).nonzero(as_tuple=True)
        found = torch.zeros_like(rows, dtype=torch.bool)
        found[queries[pair], place] = True
        return found


class Pairs:
    """The training queries of a task that have a relevant document in the corpus.

    Parameters
    ----------
    task
        Whose `train`.
    device
        Where batches go.
    share
        How many of the queries, in (0, 1]; a smaller share is part of a larger one, whatever the trial's seed.
    """

    rows: IntArray
    """Where they stand in the split, ascending."""
    mined: Callable[[IntArray, IntArray], IntArray] | None = None
    """Where there are hard negatives: from queries and one relevant document of each to `PairBatch.mined`."""

    def __init__(self, task: Task, device: torch.device, share: float = 1.0) -> None:
        self._take(task.train, device)
        if len(self.rows) == 0:
            raise TaskError(f"task {task.name} has no training query with a relevant document in the corpus")
        if share < 1:
            drawn = np.random.default_rng(seeding.derive("train share")).permutation(self.rows)
            self.rows = np.sort(drawn[: max(1, round(share * len(drawn)))])

    @classmethod
    def of(cls, split: Split, device: torch.device) -> Self:
        """Return the queries of another split that have a relevant document; there may be none."""
        made = cls.__new__(cls)
        made._take(split, device)
        return made

    def _take(self, split: Split, device: torch.device) -> None:
        self.split = split
        self.vectors = as_tensor(split.queries.vectors)
        self.device = device
        self._qrels = split.qrels.relevant()
        self._withheld = None if split.withheld is None else split.withheld.relevant()
        self._judged = split.qrels.where((split.qrels.grades <= 0) & (split.qrels.rows >= 0))
        self.rows = np.flatnonzero(np.diff(self._qrels.starts))

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self, size: int, *seed: int | str, rows: IntArray | None = None) -> Iterator[PairBatch]:
        """Yield every query (of `rows`, or all) once, in an order and with a relevant document drawn from `seed`."""
        rng = np.random.default_rng(seeding.derive("pairs", *seed))
        rows = rng.permutation(self.rows if rows is None else rows)
        for step, start in enumerate(range(0, len(rows), size)):
            yield self._batch(rows[start : start + size], rng, seeding.derive("batch", *seed, step))

    def relevant(self, rows: IntArray) -> IntArray:
        """Return (2, M) pairs (place in `rows`, corpus row) of all that is relevant to them, withheld or not."""
        known = [self._qrels] if self._withheld is None else [self._qrels, self._withheld]
        selected = [qrels.select(rows) for qrels in known]
        return np.concatenate([np.stack([qrels.query_rows, qrels.rows]) for qrels in selected], axis=1)

    def _batch(self, rows: IntArray, rng: np.random.Generator, seed: int) -> PairBatch:
        qrels = self._qrels.select(rows)
        drawn = qrels.starts[:-1] + rng.integers(np.diff(qrels.starts))
        positives, judged, relevant = qrels.rows[drawn], self._judged.select(rows), self.relevant(rows)
        rest = np.ones(relevant.shape[1], dtype=bool)
        rest[drawn] = False
        mined = None if self.mined is None else self.mined(rows, positives)
        return PairBatch(
            torch.from_numpy(rows),
            self.vectors[torch.from_numpy(rows)].to(self.device),
            torch.from_numpy(positives).to(self.device),
            torch.from_numpy(relevant[:, rest]).to(self.device),
            torch.from_numpy(np.stack([judged.query_rows, judged.rows])).to(self.device),
            (no_pairs() if mined is None else torch.from_numpy(mined)).to(self.device),
            seed,
        )


@torch.no_grad()
def held_out_losses(
    split: Split, size: int, device: torch.device, losses: Callable[[PairBatch], Mapping[str, Tensor]]
) -> dict[str, float]:
    """Return the parts of a loss on a split that is not trained on, means over its queries.

    The same batches and the same relevant documents are drawn at every epoch, so that epochs can be compared.

    Parameters
    ----------
    split
        Held-out queries.
    size
        Queries in a batch: as in training where negatives come from the batch.
    device
        Where batches go.
    losses
        What training calls for each batch, without dropout.
    """
    pairs, sums = Pairs.of(split, device), dict[str, float]()
    for batch in pairs.batches(size, "held out"):
        for name, value in losses(batch).items():
            sums[name] = sums.get(name, 0.0) + len(batch) * value.item()
    return {name: total / len(pairs) for name, total in sums.items()}


def needs_pairs(task: Task) -> str | None:
    """Return None where a system can learn from the task's training queries as vectors, else why not."""
    if len(task.train) == 0:
        return f"{task.name} has no training queries"
    return needs_vectors(task)
