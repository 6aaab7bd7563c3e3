"""A Qdrant collection as it is, with a log of what was asked of it.

The collection is scrolled once, into the task's snapshot; after that, nothing asks the server again. Its points' ids
are the documents' ids.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from nvf import progress
from nvf.encoders import frozen
from nvf.errors import TaskError, nearest
from nvf.params import REQUIRED, nested, param
from nvf.paths import absolute
from nvf.tasks import files, spill
from nvf.tasks.assemble import UNIT_TOLERANCE, assemble, judge, make_corpus, query_ids
from nvf.tasks.base import Corpus, Judged, Task
from nvf.tasks.embedding_cache import embed
from nvf.tasks.identity import UUID, Known, normal
from nvf.tasks.outline import Judgements, Look, look, settle
from nvf.tasks.query_log import Logged, by_split, read_log
from nvf.tasks.sources import Source
from nvf.tasks.splits import Plan, Shares
from nvf.types import FloatArray, Queries

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client.models import Record, VectorParams

API_KEY = "QDRANT_API_KEY"
"""The environment variable that holds the key: a sweep file is kept and shown, so a key has no place in it."""
PAGE = 256
"""Points asked for at once."""
ASKED = 5000
"""Judged documents that a look asks for; it takes further ones as there."""
TIMEOUT = 60
"""Seconds after which a server counts as silent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QdrantParams:
    """Which collection, and what was asked of it."""

    collection: str = param(REQUIRED, doc="name of the collection")
    log: str = param(REQUIRED, doc='JSONL of {"query" or "vector", "relevant", "split"}')
    url: str | None = param(None, doc=f"address of the server; its key is read from {API_KEY}")
    path: str | None = param(None, doc="folder of a local collection, instead of a server; open only your own")
    vector: str | None = param(None, doc="name of the vector, where the collection has named ones")
    text: str | None = param(None, doc="field of the payload that holds a document's text")
    encoder: str | None = param(None, doc="encoder that made the vectors: it encodes the log's queries that are texts")
    max_length: int = param(256, low=4, high=32_768, doc="tokens after which that encoder cut a text")
    dev: float = param(0.1, low=0.001, high=0.9, doc="share of train that becomes dev where the log names no dev")
    test: float = param(0.1, low=0.001, high=0.9, doc="share of train that becomes test where the log names no test")
    seed: int = param(0, low=0, high=2**31 - 1, doc="seed of that draw")
    split: Shares = nested(Shares)


class Qdrant(Source[QdrantParams]):
    """A collection with a query log; read from `client`, where one is given, whatever `url` and `path` say."""

    name = "qdrant"
    summary = "a Qdrant collection (server or local folder) with a query log, read once"
    Params = QdrantParams
    files = ("log", "path")

    def __init__(self, client: QdrantClient | None = None) -> None:
        self._client = client

    def load(self, params: QdrantParams) -> Task:
        """Return the task of the collection; see `Source.load`."""
        path = _log_path(params)
        log = read_log(files.existing(path, "a query log, one JSON object per line"))
        with self._opened(params) as client:
            corpus, notes = _scroll(client, params)
        judged = _settled(log, Known(corpus.ids, f"collection '{params.collection}'"), params)
        vectors = _asked(log, params, corpus.dim)
        rows = {document: row for row, document in enumerate(corpus.ids)}
        return assemble(
            name=f"qdrant/{params.collection}",
            source=self.options(params),
            corpus=corpus,
            splits={name: _judged(log, split, vectors, rows) for name, split in judged.splits.items()},
            encoder=params.encoder,
            max_length=params.max_length if params.encoder else None,
            plan=judged.plan,
            notes=(*notes, *judged.notes),
        )

    def look(self, params: QdrantParams) -> Look:
        """Return what log and collection hold; of the documents that are judged, the first are asked for."""
        path = _log_path(params)
        log = read_log(files.existing(path, "a query log, one JSON object per line"))
        _needs_encoder(log, params)
        with self._opened(params) as client:
            config = _vector_params(client, params)
            count = client.count(params.collection, exact=True).count
            names = dict.fromkeys(normal(document) for query in log for document in query.relevant)
            ids = [found for name in list(names)[:ASKED] if (found := _point_id(name)) is not None]
            there = [str(record.id) for record in client.retrieve(params.collection, ids, False, False)]
            if not there:  # any points, to name one
                there = [str(record.id) for record in _page(client, params, None)[0]]
        if not count:
            raise TaskError(f"collection '{params.collection}' has no points: nothing could be found")
        _check_widths(log, params, config.size)
        texts = params.text is not None and all(query.text is not None for query in log)
        known = Known(there + list(names)[ASKED:], f"collection '{params.collection}'")
        return replace(
            look(f"qdrant/{params.collection}", known, _settled(log, known, params), texts=texts), documents=count
        )

    def inputs(self, params: QdrantParams) -> Iterable[Path]:
        """Return the log, the files of a local collection and those of the encoder."""
        yield _log_path(params)
        if params.path is not None:
            folder = absolute(params.path)
            yield from (folder / "meta.json", folder / "collection" / params.collection / "storage.sqlite")
        if params.encoder is not None:
            yield from frozen.identifying_files(params.encoder, params.max_length)

    def state(self, params: QdrantParams) -> str:
        """Return a digest of the server's collection: its configuration, its number of points, and its first points.

        Points changed in place beyond the first 256 go unnoticed. A local folder is known by its files.
        """
        if params.path is not None:
            return ""
        with self._opened(params) as client:
            config = _vector_params(client, params).model_dump(mode="json")
            count = client.count(params.collection, exact=True).count
            records, _ = _page(client, params, None)
        content = [config, count, [record.model_dump(mode="json") for record in records]]
        return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()

    @contextmanager
    def _opened(self, params: QdrantParams) -> Iterator[QdrantClient]:
        """Yield a client; what it raises becomes a `TaskError` that names the place and no secret."""
        from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

        client = self._client or _connect(params)
        try:
            yield client
        except UnexpectedResponse as error:
            hint = f"; set {API_KEY} to its key" if error.status_code in (401, 403) else ""
            raise TaskError(
                f"Qdrant at {params.url} refused: {error.status_code} {error.reason_phrase}{hint}"
            ) from error
        except ApiException as error:
            raise TaskError(
                f"Qdrant at {params.url} does not answer ({error}): is it running, and url right?"
            ) from error
        finally:
            if self._client is None:
                client.close()


def _settled(log: Sequence[Logged], known: Known, params: QdrantParams) -> Judgements:
    """Return the log's judgements by split, with queries named by their places."""
    given = {
        split: [(_name(place), document, grade) for place in places for document, grade in log[place].relevant.items()]
        for split, places in by_split(log).items()
    }
    where = {split: f"{_log_path(params)}, {split}" for split in given}
    return settle(given, where, None, known, params.split, Plan(dev=params.dev, test=params.test, seed=params.seed))


def _name(place: int) -> str:
    return f"q{place:07d}"


def _point_id(name: str) -> int | str | None:
    """Return a normal id as Qdrant has it, a number or a UUID; None where it is neither."""
    if name.isdecimal():
        return int(name) if int(name) < 1 << 64 else None
    return name if UUID.fullmatch(name) else None


def _log_path(params: QdrantParams) -> Path:
    return absolute(params.log)


def _connect(params: QdrantParams) -> QdrantClient:
    from qdrant_client import QdrantClient

    if (params.url is None) == (params.path is None):
        raise TaskError(f"task (source qdrant): collection '{params.collection}' needs one of url and path")
    if params.url is not None:
        parts = urlsplit(params.url)
        if parts.username or parts.password or parts.query:
            raise TaskError(f"task (source qdrant): url = {parts.hostname}... holds a secret: give it in {API_KEY}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TaskError(f"task (source qdrant): url = {params.url!r} does not read http(s)://host:port")
        key = os.environ.get(API_KEY) or None
        return QdrantClient(url=params.url, api_key=key, timeout=TIMEOUT, check_compatibility=False)
    folder = absolute(str(params.path))
    # The client would make an empty store of a folder that is none.
    files.existing(folder / "meta.json", "path is the folder of a local Qdrant, which holds meta.json")
    try:
        return QdrantClient(path=str(folder))
    except RuntimeError as error:
        raise TaskError(
            f"{folder} is open in another process: close it there, for a local Qdrant has one user"
        ) from error


def _vector_params(client: QdrantClient, params: QdrantParams) -> VectorParams:
    """Return the configuration of the vector that is searched, or raise `TaskError` where there is no such thing."""
    name = params.collection
    if not client.collection_exists(name):
        known = [each.name for each in client.get_collections().collections]
        raise TaskError(f"Qdrant has no collection '{name}'{nearest(name, known) if known else '; it has none'}")
    found = client.get_collection(name).config.params.vectors
    if isinstance(found, dict):
        if params.vector not in found:
            said = f"no vector '{params.vector}'" if params.vector else "named vectors, and vector says not which"
            raise TaskError(f"collection '{name}' has {said}{nearest(params.vector or '', found) if found else ''}")
        found = found[params.vector]
    elif params.vector is not None:
        raise TaskError(f"collection '{name}' has one vector without a name: leave out vector = {params.vector!r}")
    if found is None or found.multivector_config is not None:
        raise TaskError(f"collection '{name}' has no single dense vector per point, and nothing else is searched here")
    return found


def _page(client: QdrantClient, params: QdrantParams, offset: Any) -> tuple[list[Record], Any]:
    return client.scroll(
        params.collection,
        limit=PAGE,
        offset=offset,
        with_vectors=True if params.vector is None else [params.vector],
        with_payload=False if params.text is None else [params.text],
    )


def _scroll(client: QdrantClient, params: QdrantParams) -> tuple[Corpus, Sequence[str]]:
    """Return the collection's points that have the vector, and what the user should know of the others."""
    config = _vector_params(client, params)
    count = client.count(params.collection, exact=True).count
    ids: list[str] = []
    texts: list[str] = []
    vectors, seen, offset = spill.empty((count, config.size)), 0, None
    with progress.reported(f"reading {params.collection}", count) as advance:
        while seen < count:
            records, offset = _page(client, params, offset)
            seen += len(records)
            kept = [record for record in records if _vector(record, params) is not None]
            if seen > count or (offset is None and seen < count):
                raise TaskError(f"collection '{params.collection}' changed while it was read: run again")
            if kept:
                vectors[len(ids) : len(ids) + len(kept)] = [_vector(record, params) for record in kept]
            ids += [str(record.id) for record in kept]
            texts += [_text(record, params) for record in kept] if params.text else []
            advance(len(records))
    _rank_as_here(ids, vectors, str(config.distance.value), params)
    corpus = make_corpus(ids, vectors[: len(ids)], texts if params.text else None)
    lacking = count - len(ids)
    return corpus, [f"{lacking:,} points have no vector '{params.vector}': they are left out"] if lacking else []


def _vector(record: Record, params: QdrantParams) -> Any:
    vector = record.vector
    return vector.get(params.vector or "") if isinstance(vector, dict) else vector


def _text(record: Record, params: QdrantParams) -> str:
    text = (record.payload or {}).get(str(params.text))
    if not isinstance(text, str):
        raise TaskError(f"collection '{params.collection}': point {record.id} has no text in field '{params.text}'")
    return files.encodable(text)


def _rank_as_here(ids: Sequence[str], vectors: FloatArray, distance: str, params: QdrantParams) -> None:
    """Give the vectors of a cosine collection length 1; raise `TaskError` where it does not rank by cosine.

    Vectors of length 1 are ranked alike by cosine, dot product and Euclidean distance.
    """
    for start in range(0, len(ids), spill.ROWS_AT_ONCE):
        part = vectors[start : min(len(ids), start + spill.ROWS_AT_ONCE)]
        lengths = np.linalg.norm(part, axis=1)
        bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
        if len(bad):
            raise TaskError(
                f"collection '{params.collection}': the vector of point {ids[start + bad[0]]} has no cosine"
            )
        if distance == "Cosine":
            part /= lengths[:, None]
        elif distance == "Manhattan" or np.abs(lengths - 1).max() > UNIT_TOLERANCE:
            raise TaskError(
                f"collection '{params.collection}' ranks by {distance}, which differs from the cosine that is learned "
                "here: make it again with Distance.COSINE, or with vectors of length 1 and Dot or Euclid"
            )


def _asked(log: Sequence[Logged], params: QdrantParams, dim: int) -> FloatArray:
    """Return the (Q, dim) vectors of the log's queries, encoding those that are texts only."""
    _needs_encoder(log, params)
    _check_widths(log, params, dim)
    path = _log_path(params)
    texts = [query.text for query in log if query.vector is None and query.text is not None]
    vectors = np.empty((len(log), dim), dtype=np.float32)
    encoded: Iterable[FloatArray] = ()
    if texts and params.encoder is not None:
        width = embed(texts[:1], params.encoder, params.max_length, what="queries").shape[1]
        if width != dim:
            raise TaskError(
                f"{path}: {params.encoder} makes vectors of {width} numbers, but those of '{params.collection}' have "
                f"{dim}: name the encoder of the collection"
            )
        encoded = embed(texts, params.encoder, params.max_length, what="queries")
    rest = iter(encoded)
    for query, row in zip(log, vectors, strict=True):
        row[:] = next(rest) if query.vector is None else query.vector
    return vectors


def _needs_encoder(log: Sequence[Logged], params: QdrantParams) -> None:
    texts = sum(query.vector is None for query in log)
    if texts and params.encoder is None:
        raise TaskError(
            f"{_log_path(params)} has {texts:,} queries without vectors: name the encoder of the collection"
        )


def _check_widths(log: Sequence[Logged], params: QdrantParams, dim: int) -> None:
    for query in log:
        if query.vector is not None and len(query.vector) != dim:
            raise TaskError(
                f"{_log_path(params)}:{query.line}: a query {len(query.vector)} wide, but '{params.collection}' has "
                f"{dim}"
            )


def _judged(
    log: Sequence[Logged], judgements: Sequence[files.Judgement], vectors: FloatArray, documents: dict[str, int]
) -> Judged:
    ids = query_ids(judgements)
    places = [int(name[1:]) for name in ids]
    texts = [text for place in places if (text := log[place].text) is not None]
    queries = Queries(ids, vectors[np.array(places)], texts if len(texts) == len(places) else None)
    return queries, judge(judgements, ids, documents)
