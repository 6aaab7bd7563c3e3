"""A folder in BEIR's layout: corpus.jsonl, queries.jsonl and qrels/{train,dev,test}.tsv."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nvf.params import REQUIRED, nested, param
from nvf.paths import absolute
from nvf.tasks import files, own
from nvf.tasks.assemble import query_ids
from nvf.tasks.encoding import Encoding, encoder_option, length_option
from nvf.tasks.identity import Known
from nvf.tasks.judged import JudgedSource, Raw
from nvf.tasks.outline import SPLITS, settle
from nvf.tasks.qrels import read_qrels
from nvf.tasks.splits import Plan, Shares

LAYOUT = "a BEIR folder holds corpus.jsonl, queries.jsonl and qrels/test.tsv"


@dataclass(frozen=True, kw_only=True, slots=True)
class BeirParams:
    """Where the folder is, and how it becomes vectors."""

    path: str = param(REQUIRED, doc="folder with corpus.jsonl, queries.jsonl and qrels/")
    encoder: str = encoder_option()
    max_length: int = length_option()
    vectors: str | None = param(
        None,
        doc="folder with corpus.npy, corpus_ids.json, queries.npy, queries_ids.json, to be used instead of encoding",
    )
    dev: float = param(0.2, low=0.01, high=0.9, doc="share of train that becomes dev where there is no qrels/dev.tsv")
    seed: int = param(0, low=0, high=2**31 - 1, doc="seed of that draw")
    split: Shares = nested(Shares)
    own_document: str | None = own.option()


class Beir(JudgedSource[BeirParams]):
    """A BEIR data set."""

    name = "beir"
    summary = "a folder in BEIR's layout (corpus.jsonl, queries.jsonl, qrels/*.tsv), encoded by a frozen encoder"
    Params = BeirParams
    files = ("path", "vectors")

    def read(self, params: BeirParams) -> Raw:
        """Return what the folder holds; see `JudgedSource.read`."""
        folder = absolute(params.path)
        paths = _qrels(folder, split=params.split.given)
        corpus_path, queries_path = (
            files.existing(folder / name, LAYOUT) for name in ("corpus.jsonl", "queries.jsonl")
        )
        given = {name: read_qrels(path) for name, path in paths.items()}
        documents, texts = files.read_texts(corpus_path), files.read_texts(queries_path)
        known, known_queries = (
            Known(list(documents), f"the corpus ({corpus_path.name})"),
            Known(list(texts), queries_path.name),
        )
        judged = settle(
            given,
            paths,
            known_queries,
            known,
            params.split,
            Plan(dev=params.dev, test=None, seed=params.seed),
        )
        asked = query_ids(judgement for split in judged.splits.values() for judgement in split)
        known_queries.find_all(asked, f"{queries_path} lacks", "queries that are judged in qrels/")
        return Raw(
            name=f"beir/{folder.name}",
            documents=known,
            queries=asked,
            judged=judged,
            texts=(list(documents.values()), [texts[query] for query in asked]),
            vectors=Encoding(params.encoder, params.max_length, params.vectors),
        )

    def inputs(self, params: BeirParams) -> Iterable[Path]:
        """Return the folder's files and those of the encoder, or of the vectors that are used instead."""
        folder = absolute(params.path)
        yield from (folder / "corpus.jsonl", folder / "queries.jsonl")
        yield from (folder / "qrels" / f"{name}.tsv" for name in SPLITS)
        yield from Encoding(params.encoder, params.max_length, params.vectors).files()


def _qrels(folder: Path, *, split: bool) -> dict[str, Path]:
    paths = {name: folder / "qrels" / f"{name}.tsv" for name in SPLITS}
    what = "judgements, one query-id, corpus-id and grade to a line"
    found = {name: files.existing(path, what) for name, path in paths.items() if path.exists()}
    if "test" not in found and not (split and found):
        files.existing(paths["test"], LAYOUT)
    return found
