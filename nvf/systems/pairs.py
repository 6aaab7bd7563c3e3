"""Training queries, each with one of its relevant documents."""

from __future__ import annotations

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
    """

    rows: Tensor
    queries: Tensor
    positives: Tensor
    others: Tensor

    def __len__(self) -> int:
        return len(self.rows)


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
    """Where they stand in the split."""

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
        self.vectors = as_tensor(split.queries.vectors)
        self.device = device
        self._qrels = split.qrels.relevant()
        self._withheld = None if split.withheld is None else split.withheld.relevant()
        self.rows = np.flatnonzero(np.diff(self._qrels.starts))

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self, size: int, *seed: int | str, rows: IntArray | None = None) -> Iterator[PairBatch]:
        """Yield every query (of `rows`, or all) once, in an order and with a relevant document drawn from `seed`."""
        rng = np.random.default_rng(seeding.derive("pairs", *seed))
        rows = rng.permutation(self.rows if rows is None else rows)
        for start in range(0, len(rows), size):
            yield self._batch(rows[start : start + size], rng)

    def _batch(self, rows: IntArray, rng: np.random.Generator) -> PairBatch:
        qrels = self._qrels.select(rows)
        drawn = qrels.starts[:-1] + rng.integers(np.diff(qrels.starts))
        rest = np.ones(len(qrels.rows), dtype=bool)
        rest[drawn] = False
        others = np.stack([qrels.query_rows[rest], qrels.rows[rest]])
        if self._withheld is not None:
            withheld = self._withheld.select(rows)
            others = np.concatenate([others, np.stack([withheld.query_rows, withheld.rows])], axis=1)
        at = torch.from_numpy(rows)
        return PairBatch(
            at,
            self.vectors[at].to(self.device),
            torch.from_numpy(qrels.rows[drawn]).to(self.device),
            torch.from_numpy(others).to(self.device),
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
