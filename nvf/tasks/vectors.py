"""The user's own vectors: .npy files with ids, judgements and, where there are any, texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nvf.errors import TaskError
from nvf.params import REQUIRED, nested, param
from nvf.tasks import files, own
from nvf.tasks.assemble import assemble, judged_splits, make_corpus, query_ids
from nvf.tasks.base import Task
from nvf.tasks.identity import Known
from nvf.tasks.outline import Judgements, Look, look, settle
from nvf.tasks.qrels import read_qrels
from nvf.tasks.sources import Source
from nvf.tasks.splits import Plan, Shares
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
    test: str | None = param(None, doc="test judgements; needed unless `split` carves them")
    corpus_texts: str | None = param(None, doc='texts of the documents, one {"_id", "text"} per line')
    queries_texts: str | None = param(None, doc='texts of the queries, one {"_id", "text"} per line')
    encoder: str | None = param(None, doc="name of the encoder that made the vectors, if texts are to be searched for")
    max_length: int = param(256, low=4, high=32_768, doc="tokens after which that encoder cut a text")
    dev_share: float = param(
        0.2, low=0.01, high=0.9, doc="share of train that becomes dev where no dev judgements are given"
    )
    seed: int = param(0, low=0, high=2**31 - 1, doc="seed of that draw")
    split: Shares = nested(Shares)
    own_document: str | None = own.option()


@dataclass(frozen=True, slots=True)
class _Read:
    """What the files hold: ids and vectors of both sides, and judgements."""

    documents: list[str]
    corpus: FloatArray
    asked: list[str]
    queries: FloatArray
    texts: tuple[list[str] | None, list[str] | None]
    judged: Judgements
    seen: Look


class Vectors(Source[VectorsParams]):
    """Vectors that the user brings."""

    name = "vectors"
    summary = "your own .npy vectors with ids and judgements; texts if there are any"
    Params = VectorsParams
    files = ("corpus", "corpus_ids", "queries", "queries_ids", "train", "dev", "test", "corpus_texts", "queries_texts")

    def load(self, params: VectorsParams) -> Task:
        """Return the task of the files; see `Source.load`."""
        read = _read(params)
        return assemble(
            name=read.seen.name,
            source=self.options(params),
            corpus=make_corpus(read.documents, read.corpus, read.texts[0]),
            splits=judged_splits(read.judged.splits, Queries(read.asked, read.queries, read.texts[1]), read.documents),
            encoder=params.encoder,
            max_length=params.max_length if params.encoder else None,
            plan=read.judged.plan,
            own_document=params.own_document,
            notes=read.judged.notes,
        )

    def look(self, params: VectorsParams) -> Look:
        """Return what the files hold; see `Source.look`."""
        return _read(params).seen

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


def _read(params: VectorsParams) -> _Read:
    paths = _judgements(params)
    if "test" not in paths and not (params.split.given and paths):
        raise TaskError("task (source vectors): 'test' is missing: test judgements, or any judgements and `split`")
    documents, corpus = _rows(params.corpus, params.corpus_ids)
    asked, queries = _rows(params.queries, params.queries_ids)
    if corpus.shape[1] != queries.shape[1]:
        raise TaskError(
            f"{params.queries} has rows of {queries.shape[1]} numbers, but {params.corpus} of {corpus.shape[1]}: both "
            "must come from the same encoder"
        )
    texts = _texts(params.corpus_texts, documents), _texts(params.queries_texts, asked)
    what = "judgements: query-id, corpus-id and grade between tabs"
    given = {name: read_qrels(files.existing(path, what)) for name, path in paths.items()}
    known, known_queries = Known(documents, f"the corpus ({params.corpus_ids})"), Known(asked, params.queries_ids)
    judged = settle(
        given,
        {name: str(path) for name, path in paths.items()},
        known_queries,
        known,
        params.split,
        Plan(dev=params.dev_share, test=None, seed=params.seed),
    )
    for name, judgements in judged.splits.items():
        _check_known(query_ids(judgements), known_queries.rows, paths.get(name, Path("split")), params.queries_ids)
    seen = look(f"vectors/{_path(params.corpus).stem}", known, judged, texts=None not in texts)
    return _Read(documents, corpus, asked, queries, texts, judged, seen)


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
    known = Known(list(texts), path.name)
    found = [known.find(identity) for identity in ids]
    missing = [identity for identity, spelt in zip(ids, found, strict=True) if spelt is None]
    if missing:
        raise TaskError(f"{path} lacks the text of {len(missing):,} ids: {files.some(missing)}")
    return [texts[spelt] for spelt in found if spelt is not None]


def _check_known(asked: Sequence[str], known: Mapping[str, int], path: Path, ids: str) -> None:
    unknown = [query for query in asked if query not in known]
    if unknown:
        raise TaskError(f"{path} judges {len(unknown):,} queries that {ids} lacks: {', '.join(unknown[:5])}")
