"""A source whose files hold ids, judgements, and texts or vectors of both sides: one reading for a look and a task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from nvf.tasks.assemble import assemble, judged_splits, make_corpus
from nvf.tasks.base import Task
from nvf.tasks.encoding import Encoding
from nvf.tasks.identity import Known
from nvf.tasks.outline import Judgements, Look, look
from nvf.tasks.sources import Source
from nvf.types import FloatArray, Queries


class JudgedParams(Protocol):
    """The options that every such source has."""

    @property
    def encoder(self) -> str | None: ...  # noqa: D102
    @property
    def max_length(self) -> int: ...  # noqa: D102
    @property
    def own_document(self) -> str | None: ...  # noqa: D102


J = TypeVar("J", bound=JudgedParams)


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw:
    """What the files hold.

    Attributes
    ----------
    name
        Of the task.
    documents, queries
        Ids of both sides; of the queries those that are judged, at least.
    judged
        Judgements as both sides spell the ids.
    texts
        Of documents and of queries, or None.
    vectors
        (N, D) and (Q, D) float32, or what encodes the texts.
    """

    name: str
    documents: Known
    queries: Sequence[str]
    judged: Judgements
    texts: tuple[Sequence[str] | None, Sequence[str] | None]
    vectors: tuple[FloatArray, FloatArray] | Encoding

    def encoded(self) -> tuple[FloatArray, FloatArray]:
        """Return the vectors of documents and of queries."""
        if not isinstance(self.vectors, Encoding):
            return self.vectors
        (documents, queries), encoding = self.texts, self.vectors
        corpus = encoding.vectors("corpus", self.documents.ids, documents or ())
        return corpus, encoding.vectors("queries", self.queries, queries or ())


class JudgedSource(Source[J]):
    """A source that reads: its subclasses have `read` and `inputs`, and no more."""

    @abstractmethod
    def read(self, params: J) -> Raw:
        """Return what the files hold. Raises `TaskError`."""

    def look(self, params: J) -> Look:
        """Return what the files hold; see `Source.look`."""
        raw = self.read(params)
        if isinstance(raw.vectors, Encoding):
            raw.vectors.check(corpus=raw.documents.ids, queries=raw.queries)
        return look(raw.name, raw.documents, raw.judged, texts=None not in raw.texts)

    def load(self, params: J) -> Task:
        """Return the task of the files; see `Source.load`."""
        raw = self.read(params)
        documents, queries = raw.encoded()
        return assemble(
            name=raw.name,
            source=self.options(params),
            corpus=make_corpus(raw.documents.ids, documents, raw.texts[0]),
            splits=judged_splits(raw.judged.splits, Queries(raw.queries, queries, raw.texts[1]), raw.documents.rows),
            encoder=params.encoder,
            max_length=params.max_length if params.encoder else None,
            plan=raw.judged.plan,
            own_document=params.own_document,
            notes=raw.judged.notes,
        )
