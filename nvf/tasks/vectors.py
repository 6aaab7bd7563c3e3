"""The user's own vectors: .npy files with ids, judgements and, where there are any, texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nvf.errors import TaskError
from nvf.params import REQUIRED, param
from nvf.tasks import files
from nvf.tasks.assemble import Judged, assemble, judge, make_corpus, query_ids
from nvf.tasks.base import Task
from nvf.tasks.progress import Progress
from nvf.tasks.qrels import read_qrels
from nvf.tasks.sources import Source
from nvf.types import FloatArray, Queries


@dataclass(frozen=True, kw_only=True, slots=True)
class VectorsParams:
    """Where the files are."""

    corpus: str = param(REQUIRED, doc=".npy file with one row of floats per document")
    corpus_ids: str = param(REQUIRED, doc="ids of those rows: a JSON list, or a text file with one per line")
    queries: str = param(REQUIRED, doc=".npy file with one row of floats per query")
    queries_ids: str = param(REQUIRED, doc="ids of those rows: a JSON list, or a text file with one per line")
    train: str | None = param(None, doc="training judgements: query-id, corpus-id and grade between tabs")
    dev: str | None = param(None, doc="dev judgements; where there are none, dev is carved from train")
    test: str = param(REQUIRED, doc="test judgements")
    corpus_texts: str | None = param(None, doc='texts of the documents, one {"_id", "text"} per line')
    queries_texts: str | None = param(None, doc='texts of the queries, one {"_id", "text"} per line')
    encoder: str | None = param(None, doc="name of the encoder that made the vectors, if texts are to be searched for")
    max_length: int = param(256, low=4, high=32_768, doc="tokens after which that encoder cut a text")
    dev_share: float = param(
        0.2, low=0.01, high=0.9, doc="share of train that becomes dev where no dev judgements are given"
    )
    seed: int = param(0, low=0, high=2**31 - 1, doc="seed of that draw")


class Vectors(Source[VectorsParams]):
    """Vectors that the user brings."""

    name = "vectors"
    summary = "your own .npy vectors with ids and judgements; texts if there are any"
    Params = VectorsParams
    files = ("corpus", "corpus_ids", "queries", "queries_ids", "train", "dev", "test", "corpus_texts", "queries_texts")

    def load(self, params: VectorsParams, progress: Progress | None = None) -> Task:
        """Return the task of the files; see `Source.load`."""
        documents, corpus = _rows(params.corpus, params.corpus_ids)
        asked, queries = _rows(params.queries, params.queries_ids)
        texts = _texts(params.corpus_texts, documents), _texts(params.queries_texts, asked)
        at = {query: row for row, query in enumerate(asked)}
        rows = {document: row for row, document in enumerate(documents)}

        def judged(path: Path) -> Judged:
            judgements = read_qrels(files.existing(path, "judgements: query-id, corpus-id and grade between tabs"))
            ids = query_ids(judgements)
            _check_known(ids, at, path, params.queries_ids)
            chosen = [at[query] for query in ids]
            text = None if texts[1] is None else [texts[1][row] for row in chosen]
            return Queries(ids, queries[chosen], text), judge(judgements, ids, rows)

        return assemble(
            name=f"vectors/{_path(params.corpus).stem}",
            source=self.options(params),
            corpus=make_corpus(documents, corpus, texts[0]),
            splits={name: judged(path) for name, path in _judgements(params).items()},
            encoder=params.encoder,
            max_length=params.max_length if params.encoder else None,
            dev=params.dev_share,
            seed=params.seed,
        )

    def inputs(self, params: VectorsParams) -> Iterable[Path]:
        """Return every file that the options name."""
        given = (
            params.corpus,
            params.corpus_ids,
            params.queries,
            params.queries_ids,
            params.corpus_texts,
            params.queries_texts,
        )
        yield from (_path(name) for name in given if name is not None)
        yield from _judgements(params).values()


def _path(name: str) -> Path:
    return Path(name).expanduser().absolute()


def _judgements(params: VectorsParams) -> dict[str, Path]:
    given = {"train": params.train, "dev": params.dev, "test": params.test}
    return {name: _path(path) for name, path in given.items() if path is not None}


def _rows(vectors: str, ids: str) -> tuple[list[str], FloatArray]:
    ids_path = files.existing(_path(ids), "ids of the vectors' rows: a JSON list, or one per line")
    path = files.existing(_path(vectors), "a .npy file with one row of floats per id")
    names = files.read_ids(ids_path)
    return names, files.read_vectors(path, names, ids_path)


def _texts(name: str | None, ids: Sequence[str]) -> list[str] | None:
    if name is None:
        return None
    path = files.existing(_path(name), 'texts, one {"_id", "text"} per line')
    texts = files.read_texts(path)
    missing = [identity for identity in ids if identity not in texts]
    if missing:
        raise TaskError(f"{path} lacks the text of {len(missing):,} ids: {', '.join(missing[:5])}")
    return [texts[identity] for identity in ids]


def _check_known(asked: Sequence[str], known: Mapping[str, int], path: Path, ids: str) -> None:
    unknown = [query for query in asked if query not in known]
    if unknown:
        raise TaskError(f"{path} judges {len(unknown):,} queries that {ids} lacks: {', '.join(unknown[:5])}")
