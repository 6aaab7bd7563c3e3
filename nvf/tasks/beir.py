"""A folder in BEIR's layout: corpus.jsonl, queries.jsonl and qrels/{train,dev,test}.tsv."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nvf.encoders import frozen
from nvf.errors import TaskError
from nvf.params import REQUIRED, param
from nvf.tasks import files, spill
from nvf.tasks.assemble import Judged, assemble, judge, make_corpus, query_ids
from nvf.tasks.base import Task
from nvf.tasks.embedding_cache import embed
from nvf.tasks.progress import Progress
from nvf.tasks.qrels import read_qrels
from nvf.tasks.sources import Source
from nvf.types import FloatArray, Queries

SPLITS = ("train", "dev", "test")


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


class Beir(Source[BeirParams]):
    """A BEIR data set."""

    name = "beir"
    summary = "a folder in BEIR's layout (corpus.jsonl, queries.jsonl, qrels/*.tsv), encoded by a frozen encoder"
    Params = BeirParams
    files = ("path", "vectors")

    def load(self, params: BeirParams, progress: Progress | None = None) -> Task:
        """Return the task of the folder; see `Source.load`."""
        folder = Path(params.path).expanduser().absolute()
        what = "a BEIR folder holds corpus.jsonl, queries.jsonl and qrels/test.tsv"
        files.existing(folder / "qrels" / "test.tsv", what)
        documents = files.read_texts(files.existing(folder / "corpus.jsonl", what))
        texts = files.read_texts(files.existing(folder / "queries.jsonl", what))
        judgements = {name: read_qrels(path) for name, path in _qrels(folder).items()}
        asked = query_ids(judgement for split in judgements.values() for judgement in split)
        _check_known(asked, texts, folder / "queries.jsonl")
        corpus, queries = _vectors(params, documents, {query: texts[query] for query in asked}, progress)
        at = {query: row for row, query in enumerate(asked)}
        rows = {document: row for row, document in enumerate(documents)}

        def judged(split: Sequence[files.Judgement]) -> Judged:
            ids = query_ids(split)
            chosen = Queries(ids, queries[[at[query] for query in ids]], [texts[query] for query in ids])
            return chosen, judge(split, ids, rows)

        return assemble(
            name=f"beir/{folder.name}",
            source=self.options(params),
            corpus=make_corpus(list(documents), corpus, list(documents.values())),
            splits={name: judged(split) for name, split in judgements.items()},
            encoder=params.encoder,
            max_length=params.max_length,
            dev=params.dev,
            seed=params.seed,
        )

    def inputs(self, params: BeirParams) -> Iterable[Path]:
        """Return the folder's files and those of the encoder, or of the vectors that are used instead."""
        folder = Path(params.path).expanduser().absolute()
        yield from (folder / "corpus.jsonl", folder / "queries.jsonl")
        yield from (folder / "qrels" / f"{name}.tsv" for name in SPLITS)
        yield from frozen.identifying_files(params.encoder) if params.vectors is None else stored_files(params.vectors)


def _qrels(folder: Path) -> dict[str, Path]:
    paths = {name: folder / "qrels" / f"{name}.tsv" for name in SPLITS}
    what = "judgements, one query-id, corpus-id and grade to a line"
    return {name: files.existing(path, what) for name, path in paths.items() if path.exists()}


def _check_known(asked: Sequence[str], texts: Mapping[str, str], path: Path) -> None:
    unknown = [query for query in asked if query not in texts]
    if unknown:
        raise TaskError(f"{path} lacks {len(unknown):,} queries that are judged in qrels/: {files.some(unknown)}")


def _vectors(
    params: BeirParams, documents: Mapping[str, str], queries: Mapping[str, str], progress: Progress | None
) -> tuple[FloatArray, FloatArray]:
    if params.vectors is None:
        corpus = embed(list(documents.values()), params.encoder, params.max_length, progress, what="documents")
        return corpus, embed(list(queries.values()), params.encoder, params.max_length, progress, what="queries")
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
    at = {identity: row for row, identity in enumerate(there)}
    missing = [identity for identity in ids if identity not in at]
    if missing:
        raise TaskError(f"{ids_path} lacks {len(missing):,} ids of the {name}: {files.some(missing)}")
    return spill.take(vectors, np.array([at[identity] for identity in ids]))
