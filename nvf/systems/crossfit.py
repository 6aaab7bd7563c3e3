"""Candidates for training queries, as a first stage would find them that never saw those queries."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nvf import seeding
from nvf.systems.base import System
from nvf.systems.ranking import rank_candidates
from nvf.tasks.base import Task
from nvf.types import IntArray


@dataclass(frozen=True, slots=True)
class Lists:
    """The candidates of Q training queries.

    Attributes
    ----------
    queries
        (Q,) where they stand in the training split.
    scores, rows
        (Q, K) the first stage's answer: -inf and -1 where there is no hit.
    grades
        (Q, K) float32, 0 where a document is not relevant or not judged.
    """

    queries: IntArray
    scores: Tensor
    rows: Tensor
    grades: Tensor


class CrossFit:
    """Copies of a first stage, each fitted to the training queries without one part: stacking (Wolpert, 1992).

    A first stage that learned from a query answers it better than it will ever answer a new one, and what learns from
    such answers learns to trust it blindly. So the candidates of each part come from the copy that never saw it. A
    first stage that learns nothing needs no copies.

    Parameters
    ----------
    make
        Returns a new first stage.
    task
        With training queries; each part and the rest of each must hold some.
    parts
        How many; with 1 there are no copies, and the first stage itself answers.
    seed
        Of the parts, and of what the copies draw.
    """

    def __init__(self, make: Callable[[], System], task: Task, parts: int, seed: int) -> None:
        self._task = task
        self._rows = np.flatnonzero(np.diff(task.train.qrels.relevant().starts))
        drawn = np.random.default_rng(seeding.derive("parts", seed)).permutation(self._rows)
        parts = min(parts, len(drawn))
        self._parts = [np.sort(drawn[part::parts]) for part in range(parts)] if parts > 1 else []
        self.copies: list[System] = []
        for part in self._parts:
            rest = task.train.select(np.setdiff1d(self._rows, part))
            copy = make()
            copy.prepare(dataclasses.replace(task, splits={**task.splits, "train": rest}), seed)
            self.copies.append(copy)

    def lists(self, first: System, depth: int) -> Lists:
        """Return the candidates of every training query, by its own copy, or by `first` where there are none.

        What was withheld from a query is none of its candidates: it has no grade to learn.
        """
        parts: Sequence[tuple[System, IntArray]] = [*zip(self.copies, self._parts, strict=True)]
        found = [
            (rows, rank_candidates(by.rank, self._task.train.select(rows), depth))
            for by, rows in parts or [(first, self._rows)]
        ]
        queries = np.concatenate([rows for rows, _ in found])
        order = torch.from_numpy(queries.argsort())
        scores, rows = (torch.cat([getattr(each, name) for _, each in found])[order] for name in ("scores", "rows"))
        grades = self._task.train.qrels.relevant().select(np.sort(queries)).grades_of(rows.cpu().numpy())
        return Lists(np.sort(queries), scores, rows, torch.from_numpy(grades.astype(np.float32)).to(scores.device))
