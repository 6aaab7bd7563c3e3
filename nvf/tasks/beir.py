"""A folder in BEIR's layout: corpus.jsonl, queries.jsonl and qrels/{train,dev,test}.tsv."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nvf.encoders import frozen
from nvf.errors import TaskError
from nvf.params import REQUIRED, nested, param
from nvf.tasks import files, own, spill
from nvf.tasks.assemble import assemble, judged_splits, make_corpus, query_ids
from nvf.tasks.base import Task
from nvf.tasks.embedding_cache import embed
from nvf.tasks.identity import Known
from nvf.tasks.outline import SPLITS, Judgements, Look, look, settle
from nvf.tasks.qrels import read_qrels
from nvf.tasks.sources import Source
from nvf.tasks.splits import Plan, Shares
from nvf.types import FloatArray, Queries


@dataclass(frozen=True, kw_only=True, slots=True)
class BeirParams:
    """Where the folder is, and how it becomes vectors."""

    path: str = param(REQUIRED, doc="folder with corpus.jsonl, queries.jsonl and qrels/")
    encoder: str = param(
        "minilm", doc="minilm, a folder with a sentence-transformers model, or a name on the Hugging Face hub"
    )
    max_length: int = param(256, low=4, high=32_768, doc="tokens after which a text is cut")
    vectors: str | None = param(
        None,
        doc="folder with corpus.npy, corpus_ids.json, queries.npy, queries_ids.json, to be used instead of encoding",
    )
    dev: float = param(0.2, low=0.01, high=0.9, doc="share of train that becomes dev where there is no qrels/dev.tsv")
    seed: int = param(0, low=0, high=2**31 - 1, doc="seed of that draw")
    split: Shares = nested(Shares)
    own_document: str | None = own.option()


@dataclass(frozen=True, slots=True)
class _Read:
    """What the folder holds: texts by id, and judgements."""

    name: str
    documents: dict[str, str]
    texts: dict[str, str]
    judged: Judgements
    seen: Look


class Beir(Source[BeirParams]):
    """A BEIR data set."""

    name = "beir"
    summary = "a folder in BEIR's layout (corpus.jsonl, queries.jsonl, qrels/*.tsv), encoded by a frozen encoder"
    Params = BeirParams
    files = ("path", "vectors")

    def load(self, params: BeirParams) -> Task:
        """Return the task of the folder; see `Source.load`."""
        read = _read(params)
        judgements, documents = read.judged.splits, read.documents
        asked = query_ids(judgement for split in judgements.values() for judgement in split)
        corpus, queries = _vectors(params, documents, {query: read.texts[query] for query in asked})
        every = Queries(asked, queries, [read.texts[query] for query in asked])
        return assemble(
            name=read.name,
            source=self.options(params),
            corpus=make_corpus(list(documents), corpus, list(documents.values())),
            splits=judged_splits(judgements, every, list(documents)),
            encoder=params.encoder,
            max_length=params.max_length,
            plan=read.judged.plan,
            own_document=params.own_document,
            notes=read.judged.notes,
        )

    def look(self, params: BeirParams) -> Look:
        """Return what the folder holds; see `Source.look`."""
        read = _read(params)
        if params.vectors is None:
            list(frozen.identifying_files(params.encoder, params.max_length))
        else:
            asked = query_ids(judgement for split in read.judged.splits.values() for judgement in split)
            _vectors(params, read.documents, dict.fromkeys(asked, ""))
        return read.seen

    def inputs(self, params: BeirParams) -> Iterable[Path]:
        """Return the folder's files and those of the encoder, or of the vectors that are used instead."""
        folder = Path(params.path).expanduser().absolute()
        yield from (folder / "corpus.jsonl", folder / "queries.jsonl")
        yield from (folder / "qrels" / f"{name}.tsv" for name in SPLITS)
        yield from (
            frozen.identifying_files(params.encoder, params.max_length)
            if params.vectors is None
            else stored_files(params.vectors)
        )


def _read(params: BeirParams) -> _Read:
    folder = Path(params.path).expanduser().absolute()
    what = "a BEIR folder holds corpus.jsonl, queries.jsonl and qrels/test.tsv"
    paths = _qrels(folder, split=params.split.given)
    corpus_path, queries_path = (files.existing(folder / name, what) for name in ("corpus.jsonl", "queries.jsonl"))
    given = {name: read_qrels(path) for name, path in paths.items()}
    documents, texts = files.read_texts(corpus_path), files.read_texts(queries_path)
    known = Known(list(documents), f"the corpus ({corpus_path.name})")
    judged = settle(
        given,
        {name: str(path) for name, path in paths.items()},
        Known(list(texts), queries_path.name),
        known,
        params.split,
        Plan(dev=params.dev, test=None, seed=params.seed),
    )
    _check_known(query_ids(each for split in judged.splits.values() for each in split), texts, queries_path)
    name = f"beir/{folder.name}"
    return _Read(name, documents, texts, judged, look(name, known, judged, texts=True))


def _qrels(folder: Path, *, split: bool) -> dict[str, Path]:
    paths = {name: folder / "qrels" / f"{name}.tsv" for name in SPLITS}
    what = "judgements, one query-id, corpus-id and grade to a line"
    found = {name: files.existing(path, what) for name, path in paths.items() if path.exists()}
    if "test" not in found and not (split and found):
        files.existing(paths["test"], "a BEIR folder holds corpus.jsonl, queries.jsonl and qrels/test.tsv")
    return found


def _check_known(asked: Sequence[str], texts: Mapping[str, str], path: Path) -> None:
    unknown = [query for query in asked if query not in texts]
    if unknown:
        raise TaskError(f"{path} lacks {len(unknown):,} queries that are judged in qrels/: {files.some(unknown)}")


def _vectors(
    params: BeirParams, documents: Mapping[str, str], queries: Mapping[str, str]
) -> tuple[FloatArray, FloatArray]:
    if params.vectors is None:
        corpus = embed(list(documents.values()), params.encoder, params.max_length, what="documents")
        return corpus, embed(list(queries.values()), params.encoder, params.max_length, what="queries")
    return stored(params.vectors, "corpus", list(documents)), stored(params.vectors, "queries", list(queries))


def stored_files(folder: str) -> list[Path]:
    """Return the files of a folder with stored vectors."""
    base = Path(folder).expanduser().absolute()
    return [base / name for name in ("corpus.npy", "corpus_ids.json", "queries.npy", "queries_ids.json")]


def stored(folder: str, name: str, ids: Sequence[str]) -> FloatArray:
    """Return the (len(ids), D) stored vectors of `ids` from `name`.npy and `name`_ids.json in `folder`."""
    base = Path(folder).expanduser().absolute()
    path = files.existing(base / f"{name}.npy", f"vectors of the {name}, one row per id in {name}_ids.json")
    ids_path = files.existing(base / f"{name}_ids.json", f"the ids of {name}.npy, in the order of its rows")
    there = files.read_ids(ids_path)
    vectors = files.read_vectors(path, there, ids_path)
    if there == list(ids):
        return vectors
    known = Known(there, str(ids_path))
    found = [known.find(identity) for identity in ids]
    missing = [identity for identity, spelt in zip(ids, found, strict=True) if spelt is None]
    if missing:
        raise TaskError(f"{ids_path} lacks {len(missing):,} ids of the {name}: {files.some(missing)}")
    return spill.take(vectors, np.array([known.rows[spelt] for spelt in found if spelt is not None], dtype=np.int64))
