"""The judged training queries as tensors: what a system remembers that learns from them without gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nvf.systems.pairs import Pairs
from nvf.tasks.base import Corpus, Task


@dataclass(frozen=True, slots=True)
class Judgements:
    """J training queries and their P judgements of M different documents.

    Attributes
    ----------
    queries
        (J, D) float32 of length 1.
    documents
        (M,) int64 corpus rows of the judged documents, ascending.
    pairs
        (2, P) int64 pairs (place among `queries`, place among `documents`), ascending by document.
    grades
        (P,) float32, above 0.
    """

    queries: Tensor
    documents: Tensor
    pairs: Tensor
    grades: Tensor

    @classmethod
    def of(cls, task: Task, device: torch.device) -> Self:
        """Return what `task.train` holds; raises `TaskError` where no query has a relevant document."""
        asked = Pairs(task, device)
        qrels = task.train.qrels.relevant().select(asked.rows)
        queries = F.normalize(asked.vectors[torch.from_numpy(asked.rows)])
        place, rows = torch.from_numpy(qrels.query_rows), torch.from_numpy(qrels.rows)
        documents, column = rows.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        order = column.argsort(stable=True)
        pairs = torch.stack([place, column])[:, order]
        held = (queries, documents, pairs, torch.from_numpy(qrels.grades).float()[order])
        return cls(*(each.to(device) for each in held))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], corpus: Corpus, device: torch.device) -> Self:
        """Return what `state` gave; raises `KeyError` or `RuntimeError` where it does not fit `corpus`."""
        made = cls(*(state[name].to(device) for name in cls.__dataclass_fields__))
        if made.queries.shape[1] != corpus.dim or int(made.documents.max()) >= len(corpus):
            raise RuntimeError(
                f"the judgements are of {made.queries.shape[1]}-wide queries up to document {int(made.documents.max())}"
                f", the corpus has {len(corpus)} documents, {corpus.dim} wide"
            )
        return made

    def state(self) -> dict[str, Tensor]:
        """Return copies of all four by name, on the CPU."""
        return {name: getattr(self, name).to("cpu", copy=True) for name in self.__dataclass_fields__}

    def weights(self, discount: float) -> Tensor:
        """Return (P,) grade / (sum of the grades of the same query) ** discount.

        With a discount of 0 each judgement counts for itself, with 1 each query counts alike, however many documents
        answer it: a broad query says less about each of them.
        """
        total = torch.zeros(len(self.queries), device=self.grades.device).index_add_(0, self.pairs[0], self.grades)
        return self.grades * total[self.pairs[0]] ** -discount
