"""The user's own vectors: .npy files with ids, judgements and, where there are any, texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nvf.errors import TaskError
from nvf.params import REQUIRED, nested, param
from nvf.paths import absolute
from nvf.tasks import files, own
from nvf.tasks.assemble import query_ids
from nvf.tasks.encoding import length_option
from nvf.tasks.identity import Known
from nvf.tasks.judged import JudgedSource, Raw
from nvf.tasks.outline import settle
from nvf.tasks.qrels import read_qrels
from nvf.tasks.splits import Plan, Shares
from nvf.types import FloatArray


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
    max_length: int = length_option(what="that encoder cut a text")
    dev_share: float = param(
        0.2, low=0.01, high=0.9, doc="share of train that becomes dev where no dev judgements are given"
    )
    seed: int = param(0, low=0, high=2**31 - 1, doc="seed of that draw")
    split: Shares = nested(Shares)
    own_document: str | None = own.option()


class Vectors(JudgedSource[VectorsParams]):
    """Vectors that the user brings."""

    name = "vectors"
    summary = "your own .npy vectors with ids and judgements; texts if there are any"
    Params = VectorsParams
    files = ("corpus", "corpus_ids", "queries", "queries_ids", "train", "dev", "test", "corpus_texts", "queries_texts")

    def read(self, params: VectorsParams) -> Raw:
        """Return what the files hold; see `JudgedSource.read`."""
        paths = _judgements(params)
        if "test" not in paths and not (params.split.given and paths):
            raise TaskError("task (source vectors): 'test' is missing: test judgements, or any judgements and `split`")
        documents, corpus = _rows(params.corpus, params.corpus_ids)
        asked, queries = _rows(params.queries, params.queries_ids)
        if corpus.shape[1] != queries.shape[1]:
            raise TaskError(
                f"{params.queries} has rows of {queries.shape[1]} numbers, but {params.corpus} of {corpus.shape[1]}: "
                "both must come from the same encoder"
            )
        texts = _texts(params.corpus_texts, documents), _texts(params.queries_texts, asked)
        what = "judgements: query-id, corpus-id and grade between tabs"
        given = {name: read_qrels(files.existing(path, what)) for name, path in paths.items()}
        known, known_queries = Known(documents, f"the corpus ({params.corpus_ids})"), Known(asked, params.queries_ids)
        judged = settle(
            given,
            paths,
            known_queries,
            known,
            params.split,
            Plan(dev=params.dev_share, test=None, seed=params.seed),
        )
        for name, judgements in judged.splits.items():
            where = f"{paths.get(name, 'split')} judges"
            known_queries.find_all(query_ids(judgements), where, f"queries that {params.queries_ids} lacks")
        name = f"vectors/{absolute(params.corpus).stem}"
        return Raw(name=name, documents=known, queries=asked, judged=judged, texts=texts, vectors=(corpus, queries))

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
        yield from (absolute(name) for name in given if name is not None)
        yield from _judgements(params).values()


def _judgements(params: VectorsParams) -> dict[str, Path]:
    given = {"train": params.train, "dev": params.dev, "test": params.test}
    return {name: absolute(path) for name, path in given.items() if path is not None}


def _rows(vectors: str, ids: str) -> tuple[list[str], FloatArray]:
    ids_path = files.existing(absolute(ids), "ids of the vectors' rows: a JSON list, or one per line")
    path = files.existing(absolute(vectors), "a .npy file with one row of floats per id")
    names = files.read_ids(ids_path)
    return names, files.read_vectors(path, names, ids_path)


def _texts(name: str | None, ids: Sequence[str]) -> list[str] | None:
    if name is None:
        return None
    path = files.existing(absolute(name), 'texts, one {"_id", "text"} per line')
    texts = files.read_texts(path)
    found = Known(list(texts), path.name).find_all(ids, f"{path} lacks the text of", "ids")
    return [texts[spelt] for spelt in found]
