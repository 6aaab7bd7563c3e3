"""A real collection, in memory, in a local folder, and on a server where QDRANT_URL points at one."""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from qdrant_client import QdrantClient
from qdrant_client.models import (
    Distance,
    MultiVectorComparator,
    MultiVectorConfig,
    PointStruct,
    SparseVectorParams,
    VectorParams,
)

from nvf import tasks
from nvf.errors import TaskError
from nvf.indexes.exact import search
from nvf.measures import fast
from nvf.params import make
from nvf.tasks import qdrant
from nvf.tasks.base import Task
from nvf.types import FloatArray, as_tensor

COUNT, DIM = 300, 6
Options = dict[str, Any]


def vectors() -> FloatArray:
    return np.random.default_rng(0).standard_normal((COUNT, DIM)).astype(np.float32)


def points(given: FloatArray, name: str | None = None, every: int = 1) -> list[PointStruct]:
    """One point per row; under `name`, every so-many-th point has the vector."""
    return [
        PointStruct(
            id=row,
            vector=vector if name is None else ({name: vector} if row % every == 0 else {}),
            payload={"body": f"text {row}", "other": row},
        )
        for row, vector in enumerate(given.tolist())
    ]


def write_log(path: Path, *more: Any, count: int = 40) -> Path:
    """Queries near one document each: query q asks for document 3 q."""
    noise = np.random.default_rng(1).standard_normal((count, DIM)) / 10
    lines = [
        {"vector": vector, "relevant": [3 * row]}
        for row, vector in enumerate((vectors()[: 3 * count : 3] + noise).tolist())
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in (*lines, *more)))
    return path


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    found = QdrantClient(":memory:")
    found.create_collection("c", VectorParams(size=DIM, distance=Distance.COSINE))
    found.upsert("c", points(vectors()))
    yield found
    found.close()


@pytest.fixture
def options(tmp_path: Path, mlruns: Path) -> Options:
    return {"collection": "c", "log": str(write_log(tmp_path / "log.jsonl")), "url": "http://localhost:6333"}


def build(client: QdrantClient | None, options: Options) -> Task:
    return qdrant.Qdrant(client).load(make(qdrant.QdrantParams, options))


def test_points_are_documents_over_several_pages(client: QdrantClient, options: Options) -> None:
    task = build(client, {**options, "text": "body"})
    assert COUNT > qdrant.PAGE and sorted(map(int, task.corpus.ids)) == list(range(COUNT))
    unit = vectors() / np.linalg.norm(vectors(), axis=1, keepdims=True)
    at = [int(name) for name in task.corpus.ids]
    np.testing.assert_allclose(task.corpus.vectors, unit[at], atol=1e-6)
    assert task.corpus.unit and task.corpus.texts == [f"text {row}" for row in at]
    assert (task.name, task.encoder, task.notes) == ("qdrant/c", None, ())
    for split in task.splits.values():
        for row, name in enumerate(split.queries.ids):
            assert task.corpus.ids[split.qrels.of(row)[0][0]] == str(3 * int(name[1:]))
    assert sum(map(len, task.splits.values())) == 40


def test_uuids_are_ids(client: QdrantClient, options: Options, tmp_path: Path) -> None:
    names = [str(uuid.UUID(int=row)) for row in range(20)]
    client.create_collection("u", VectorParams(size=DIM, distance=Distance.COSINE))
    client.upsert("u", [PointStruct(id=name, vector=v) for name, v in zip(names, vectors().tolist(), strict=False)])
    log = tmp_path / "uuids.jsonl"
    lines = [{"vector": vectors()[row].tolist(), "relevant": {name: 2}} for row, name in enumerate(names)]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    task = build(client, {**options, "collection": "u", "log": str(log)})
    assert sorted(task.corpus.ids) == names and set(task.train.qrels.grades) == {2}


def test_the_splits_of_the_log_are_kept(client: QdrantClient, options: Options, tmp_path: Path) -> None:
    log = Path(options["log"])
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for row, line in enumerate(lines):
        line["split"] = ("train", "train", "train", "dev", "test")[row % 5]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    task = build(client, options)
    assert {name: len(split) for name, split in task.splits.items()} == {"train": 24, "dev": 8, "test": 8}


def test_documents_that_the_collection_lacks_are_noted(client: QdrantClient, options: Options) -> None:
    write_log(Path(options["log"]), {"vector": [1] * DIM, "relevant": [0, 9999]})
    task = build(client, options)
    assert any(note.startswith("1 judgements") and "not in the corpus" in note for note in task.notes)


def test_a_named_vector_and_points_without_it(client: QdrantClient, options: Options) -> None:
    config = {"a": VectorParams(size=DIM, distance=Distance.COSINE), "b": VectorParams(size=2, distance=Distance.DOT)}
    client.create_collection("n", config, sparse_vectors_config={"s": SparseVectorParams()})
    client.upsert("n", points(vectors(), "a", every=3))
    named = {**options, "collection": "n"}
    task = build(client, {**named, "vector": "a"})
    assert len(task.corpus) == 100 and task.notes == ("200 points have no vector 'a': they are left out",)
    for vector, message in ((None, "has named vectors, and vector says not which"), ("aa", "no vector 'aa'")):
        with pytest.raises(TaskError, match=message):
            build(client, {**named, "vector": vector})
    with pytest.raises(TaskError, match="has one vector without a name"):
        build(client, {**options, "vector": "a"})
    with pytest.raises(TaskError, match="the corpus is empty"):
        build(client, {**named, "vector": "b"})


@pytest.mark.parametrize(
    ("distance", "unit", "taken"),
    [("Dot", True, True), ("Euclid", True, True), ("Dot", False, False), ("Manhattan", True, False)],
)
def test_only_what_ranks_by_cosine_is_taken(
    client: QdrantClient, options: Options, distance: str, unit: bool, taken: bool
) -> None:
    given = vectors() / (np.linalg.norm(vectors(), axis=1, keepdims=True) if unit else 1)
    client.create_collection("d", VectorParams(size=DIM, distance=Distance(distance)))
    client.upsert("d", points(given))
    if taken:
        assert build(client, {**options, "collection": "d"}).corpus.unit
    else:
        with pytest.raises(TaskError, match=f"ranks by {distance}.*make it again with Distance.COSINE"):
            build(client, {**options, "collection": "d"})


def test_what_is_not_one_dense_vector_is_refused(client: QdrantClient, options: Options) -> None:
    late = MultiVectorConfig(comparator=MultiVectorComparator.MAX_SIM)
    client.create_collection("m", VectorParams(size=DIM, distance=Distance.COSINE, multivector_config=late))
    with pytest.raises(TaskError, match="no single dense vector per point"):
        build(client, {**options, "collection": "m"})
    client.create_collection("z", VectorParams(size=DIM, distance=Distance.COSINE))
    client.upsert("z", [PointStruct(id=4, vector=[0.0] * DIM)])
    with pytest.raises(TaskError, match="the vector of point 4 has no cosine"):
        build(client, {**options, "collection": "z"})


def test_texts_are_encoded_by_the_encoder_that_is_named(client: QdrantClient, options: Options, tmp_path: Path) -> None:
    log = tmp_path / "texts.jsonl"
    words = ("apples", "bridges", "clouds", "dogs", "engines", "forests")
    log.write_text("".join(json.dumps({"query": word, "relevant": [row]}) + "\n" for row, word in enumerate(words)))
    with pytest.raises(TaskError, match="6 queries without vectors: name the encoder"):
        build(client, {**options, "log": str(log)})
    encoded = {**options, "log": str(log), "encoder": "minilm", "max_length": 16, "dev": 0.3, "test": 0.3}
    with pytest.raises(TaskError, match=r"texts\.jsonl: minilm makes vectors of 384 numbers, but those of 'c' have 6"):
        build(client, encoded)
    client.create_collection("t", VectorParams(size=384, distance=Distance.COSINE))
    client.upsert("t", [PointStruct(id=row, vector=v) for row, v in enumerate(np.eye(8, 384).tolist())])
    task = build(client, {**encoded, "collection": "t"})
    assert set(task.train.queries.texts or ()) < set(words) and task.encoder == "minilm"


def test_bad_collections_are_named(client: QdrantClient, options: Options) -> None:
    with pytest.raises(TaskError, match="no collection 'cc'; did you mean 'c'"):
        build(client, {**options, "collection": "cc"})
    with pytest.raises(TaskError, match="point 0 has no text in field 'bodies'|has no text in field 'bodies'"):
        build(client, {**options, "text": "bodies"})
    write_log(Path(options["log"]), count=0)
    with pytest.raises(TaskError, match=r"log\.jsonl is empty"):
        build(client, options)


def change_count(client: QdrantClient) -> None:
    client.delete("c", [COUNT - 1])


def change_vector(client: QdrantClient) -> None:
    client.upsert("c", [PointStruct(id=5, vector=[1.0] * DIM)])


def make_again(client: QdrantClient) -> None:
    client.delete_collection("c")
    client.create_collection("c", VectorParams(size=DIM, distance=Distance.DOT))
    client.upsert("c", points(vectors()))


@pytest.mark.parametrize("change", [change_count, change_vector, make_again])
def test_the_state_of_a_server_follows_its_collection(
    client: QdrantClient, options: Options, change: Callable[[QdrantClient], None]
) -> None:
    source, params = qdrant.Qdrant(client), make(qdrant.QdrantParams, options)
    before = source.state(params)
    assert source.state(params) == before
    change(client)
    assert source.state(params) != before


def test_a_local_folder_is_read_once_and_again_when_it_changes(options: Options, tmp_path: Path) -> None:
    def change(count: int) -> None:
        local = QdrantClient(path=str(tmp_path / "store"))
        if not local.collection_exists("c"):
            local.create_collection("c", VectorParams(size=DIM, distance=Distance.COSINE))
        local.upsert("c", points(vectors()[:count]))
        local.close()

    change(20)
    log = write_log(tmp_path / "few.jsonl", count=6)
    local = {"source": "qdrant", **options, "url": None, "path": str(tmp_path / "store"), "log": str(log)}
    first = tasks.build_snapshot(local)
    assert tasks.build_snapshot(local) == first
    change(21)
    second = tasks.build_snapshot(local)
    assert second != first and len(tasks.open_snapshot(second).corpus) == 21


def test_a_folder_in_use_or_without_a_store(options: Options, tmp_path: Path) -> None:
    holder = QdrantClient(path=str(tmp_path / "store"))
    with pytest.raises(TaskError, match="store is open in another process: close it there"):
        build(None, {**options, "url": None, "path": str(tmp_path / "store")})
    holder.close()
    (tmp_path / "nothing").mkdir()
    with pytest.raises(TaskError, match=r"meta\.json does not exist: path is the folder of a local Qdrant"):
        build(None, {**options, "url": None, "path": str(tmp_path / "nothing")})
    assert not any((tmp_path / "nothing").iterdir())


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_a_silent_server_is_named_without_its_key(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(qdrant.API_KEY, "s3cret")
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(TaskError, match=f"Qdrant at {url} does not answer") as caught:
        build(None, {**options, "url": url})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"url": None}, "needs one of url and path"),
        ({"path": "/somewhere"}, "needs one of url and path"),
        ({"url": "http://me:s3cret@host:6333"}, r"url = host\.\.\. holds a secret: give it in QDRANT_API_KEY"),
        ({"url": "https://host:6333?api_key=s3cret"}, "holds a secret"),
        ({"url": "host:6333"}, "does not read http"),
    ],
)
def test_bad_places_are_named(options: Options, given: Options, message: str) -> None:
    with pytest.raises(TaskError, match=message) as caught:
        build(None, {**options, **given})
    assert "s3cret" not in str(caught.value)


@pytest.mark.data
def test_nfcorpus_from_a_collection_is_nfcorpus(
    client: QdrantClient, options: Options, data_folder: Path, tmp_path: Path
) -> None:
    stored = data_folder / "embeddings" / "minilm-256" / "nfcorpus"
    original = tasks.build({"source": "beir", "path": str(data_folder / "beir" / "nfcorpus"), "vectors": str(stored)})
    documents, dev = original.corpus, original.split("dev")
    client.create_collection("nf", VectorParams(size=documents.dim, distance=Distance.COSINE))
    # numbers that sort, as texts, like the names: equal scores stand in the order of the ids
    numbers = [1_000_000 + int(place) for place in documents.order]
    client.upload_collection("nf", np.asarray(documents.vectors), ids=numbers)
    with (tmp_path / "nf.jsonl").open("w") as file:
        for row, vector in enumerate(dev.queries.vectors.tolist()):
            rows, grades = dev.qrels.of(row)
            judged = {numbers[each]: int(grade) for each, grade in zip(rows, grades, strict=True)}
            for split in ("dev", "test"):
                file.write(json.dumps({"vector": vector, "relevant": judged, "split": split}) + "\n")
    task = build(client, {**options, "collection": "nf", "log": str(tmp_path / "nf.jsonl")})
    rows = [task.corpus.ids.index(str(number)) for number in numbers]
    np.testing.assert_allclose(task.corpus.vectors[rows], documents.vectors, atol=1e-6)
    assert figures(task) == pytest.approx(figures(original), abs=1e-6)


def figures(task: Task) -> float:
    dev = task.split("dev")
    ranking = search(
        as_tensor(dev.queries.vectors), as_tensor(task.corpus.vectors), 10, torch.from_numpy(task.corpus.order)
    )
    return float(fast.per_query(ranking, dev.qrels, ["nDCG@10"])["nDCG@10"].mean())


def test_a_server(options: Options) -> None:
    url = os.environ.get("QDRANT_URL")
    if not url:
        pytest.skip("NO QDRANT SERVER TESTED: set QDRANT_URL to one (QDRANT_API_KEY to its key)")
    name = f"nvf-test-{uuid.uuid4().hex}"
    server = QdrantClient(url=url, api_key=os.environ.get(qdrant.API_KEY) or None)
    server.create_collection(name, VectorParams(size=DIM, distance=Distance.COSINE))
    try:
        server.upsert(name, points(vectors()), wait=True)
        there = {"source": "qdrant", **options, "collection": name, "url": url, "text": "body"}
        first = tasks.build_snapshot(there)
        assert tasks.build_snapshot(there) == first
        assert len(tasks.open_snapshot(first).corpus) == COUNT
        server.delete(name, [COUNT - 1], wait=True)
        assert tasks.build_snapshot(there) != first
    finally:
        server.delete_collection(name)
        server.close()
