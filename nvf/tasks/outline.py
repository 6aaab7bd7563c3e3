"""What a task's files hold, seen quickly: nothing is encoded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nvf.errors import TaskError
from nvf.tasks import identity
from nvf.tasks.base import Corpus, Qrels, Split, Task
from nvf.tasks.files import Judgement
from nvf.tasks.identity import Known
from nvf.tasks.splits import Plan, Shares, enough, pooled
from nvf.types import Queries

SPLITS = ("train", "dev", "test")
WINDOW = 2
"""Vectors in a window of a sketch."""


@dataclass(frozen=True, slots=True)
class Judgements:
    """The judgements of each split with ids as queries and documents spell them, before there are vectors.

    `plan` is what is carved of them, `notes` what the user should know.
    """

    splits: dict[str, list[Judgement]]
    plan: Plan
    notes: list[str]


class Kind(NamedTuple):
    """What a system asks of a task before it says whether it applies.

    Attributes
    ----------
    texts
        Whether queries and documents have texts.
    windows
        Whether queries are windows of vectors.
    truth
        Whether a generator knows the best answer.
    trains
        Whether there are training queries.
    """

    texts: bool
    windows: bool
    truth: bool
    trains: bool

    @property
    def key(self) -> str:
        """A text that differs between kinds: `texts-trains`."""
        return "-".join(name for name, value in zip(self._fields, self, strict=True) if value)


@dataclass(frozen=True, slots=True)
class Look:
    """What is there.

    Attributes
    ----------
    name
        Of the task.
    documents
        How many, or None where they were not counted.
    queries
        Split -> how many queries it has as given, or None where they were not counted.
    carved
        Split -> the share of train that it will be carved as.
    notes
        What the user should know; warnings begin with `warning:`.
    texts
        Whether queries and documents have texts.
    context
        C where queries are windows of C vectors, else None.
    truth
        Whether a generator knows the best answer.
    """

    name: str
    documents: int | None
    queries: Mapping[str, int | None]
    carved: Mapping[str, float]
    notes: Sequence[str]
    texts: bool = False
    context: int | None = None
    truth: bool = False

    @property
    def splits(self) -> list[str]:
        """The splits that have queries, or will have them."""
        return [split for split in SPLITS if split in self.carved or self.queries.get(split, 0) != 0]

    @property
    def kind(self) -> Kind:
        """What systems ask for."""
        all_carved = self.carved.get("dev", 0) + self.carved.get("test", 0) > 0.999
        return Kind(self.texts, self.context is not None, self.truth, "train" in self.splits and not all_carved)


def settle(
    given: Mapping[str, Sequence[Judgement]],
    where: Mapping[str, Path | str],
    queries: Known | None,
    documents: Known,
    split: Shares,
    plan: Plan,
) -> Judgements:
    """Return judgements as ids are spelt, pooled where `split` asks for other splits than those given.

    Parameters
    ----------
    given, where
        Split -> its judgements, and its file, for messages.
    queries, documents
        The ids that there are; None for queries that are found otherwise.
    split, plan
        The option of the source, and what is carved where it says nothing.

    Raises
    ------
    TaskError
        Where no relevant document of a split is in the corpus, and where judgements contradict one another.
    """
    matched = {name: identity.match(str(where[name]), judged, queries, documents) for name, judged in given.items()}
    notes = [*documents.notes, *(queries.notes if queries is not None else ())]
    if not split.given:
        return Judgements(matched, plan, notes)
    plan = split.plan("task")
    together, said = pooled(matched)
    return Judgements(together, plan, [*notes, *said])


def look(name: str, documents: Known, judged: Judgements, *, texts: bool) -> Look:
    """Return what there is of judgements and documents, and whether there are texts of both."""
    queries: dict[str, int | None] = {
        split: len({query for query, _, _ in found}) for split, found in judged.splits.items()
    }
    wanted = {"dev": judged.plan.dev, "test": judged.plan.test}
    carved = {split: share for split, share in wanted.items() if share and split not in queries and "train" in queries}
    enough(queries.get("train") or 0, carved)
    if judged.plan.rest != "train":
        carved = {"dev": judged.plan.dev, judged.plan.rest: 1 - judged.plan.dev}
    counts = {
        split: (sum(document not in documents.rows for _, document, _ in found), len(found))
        for split, found in judged.splits.items()
    }
    return Look(name, len(documents.ids), queries, carved, [*identity.missing(counts), *judged.notes], texts)


def sketch(kind: Kind) -> Task:
    """Return a task of a kind with nothing in it: enough to ask a system whether it applies."""

    def split(name: str) -> Split:
        count = int(name != "train" or kind.trains)
        shape = (count, WINDOW, 1) if kind.windows else (count, 1)
        queries = Queries(["?"] * count, np.ones(shape, np.float32), [""] * count if kind.texts else None)
        qrels = Qrels.from_triples(count, [(0, 0, 1)] * count)
        return Split(name, queries, qrels, np.ones(count, dtype=bool), np.full(count, -1, dtype=np.int64))

    one = np.ones((1, 1), np.float32)
    corpus = Corpus(["-"], one, np.zeros(1, np.int32), True, [""] if kind.texts else None)
    truth = {"map": one, "precision": one[0]} if kind.truth else {}
    return Task("the task", {}, corpus, {name: split(name) for name in SPLITS}, threshold=1.0, truth=truth)


def check_searchable(name: str, splits: Collection[str]) -> None:
    """Raise `TaskError` where a sweep has no dev to choose on: `splits` are those that have queries, or will have."""
    if "dev" not in splits:
        raise TaskError(
            f"task {name} has only {' and '.join(splits)} queries, and a sweep chooses on dev: add dev judgements "
            "(train too, where systems learn), or carve all three from those there are: "
            "--set 'task.split={train: 0.6, dev: 0.2}'; nvf floors measures the task as it is"
        )
