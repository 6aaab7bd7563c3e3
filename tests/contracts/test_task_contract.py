"""What every task has in common, whatever source it comes from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, PointStruct, VectorParams

from nvf import tasks
from nvf.systems import SYSTEMS
from nvf.systems.catalogue import catalogue
from nvf.tasks.assemble import fingerprint
from nvf.tasks.base import Qrels, Task

TOPICS = ("apples", "bridges", "clouds", "dogs", "engines", "forests", "glaciers", "harbours")
Options = dict[str, Any]


def write_beir(folder: Path) -> Options:
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": f"d{row}", "title": topic, "text": f"All about {topic}."} for row, topic in enumerate(TOPICS)]
    queries = [{"_id": f"q{row}", "text": f"tell me about {topic}"} for row, topic in enumerate(TOPICS)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(entry) + "\r\n" for entry in documents))
    (folder / "queries.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in queries))
    for name, rows in {"train": range(6), "test": range(6, 8)}.items():
        lines = "".join(f"q{row}\td{row}\t{1 + row % 2}\r\n" for row in rows)
        (folder / "qrels" / f"{name}.tsv").write_text("query-id\tcorpus-id\tscore\r\n" + lines)
    return {"source": "beir", "path": str(folder), "max_length": 16, "dev": 0.3}


def write_vectors(folder: Path) -> Options:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    np.save(folder / "c.npy", rng.standard_normal((9, 5)).astype(np.float32))
    np.save(folder / "q.npy", rng.standard_normal((8, 5)).astype(np.float16))
    (folder / "c.txt").write_text("".join(f"d{row}\n" for row in range(9)))
    (folder / "q.json").write_text(json.dumps([f"q{row}" for row in range(8)]))
    for name, rows in {"train": range(4), "dev": range(4, 6), "test": range(6, 8)}.items():
        (folder / f"{name}.tsv").write_text("".join(f"q{row}\td{row}\t1\n" for row in rows))
    paths = {"corpus": "c.npy", "corpus_ids": "c.txt", "queries": "q.npy", "queries_ids": "q.json"}
    paths |= {name: f"{name}.tsv" for name in ("train", "dev", "test")}
    return {"source": "vectors", **{key: str(folder / name) for key, name in paths.items()}}


def write_pydocs(folder: Path) -> Options:
    for package in ("nvf_docs_a", "nvf_docs_b", "nvf_docs_c"):
        (folder / package).mkdir(parents=True)
        functions = [
            f'def {topic}():\n    """Return how many {topic} {package} has.\n\n    {package} keeps {topic} in a table: '
            'one row each, with the day on which they were counted last, and by whom.\n    """\n'
            for topic in TOPICS[:3]
        ]
        (folder / package / "__init__.py").write_text("\n\n".join(functions))
    return {
        "source": "pydocs",
        "train": ["nvf_docs_a"],
        "dev": ["nvf_docs_b"],
        "test": ["nvf_docs_c"],
        "max_length": 16,
    }


def write_synthetic(folder: Path) -> Options:
    return {"source": "synthetic", "documents": 20, "dim": 6, "train": 40, "dev": 10, "test": 10, "map": "rotation"}


def write_walks(folder: Path) -> Options:
    return {"source": "walks", "documents": 20, "dim": 6, "context": 3, "train": 40, "dev": 10, "test": 10}


def write_sequences(folder: Path) -> Options:
    folder.mkdir(parents=True)
    np.save(folder / "sentences.npy", np.random.default_rng(0).standard_normal((60, 5)).astype(np.float16))
    (folder / "sentences_ids.json").write_text(json.dumps([f"d{row // 6}:{row % 6}" for row in range(60)]))
    return {"source": "sequences", "path": str(folder), "context": 3, "dev": 0.2, "test": 0.2}


def write_triples(folder: Path) -> Options:
    folder.mkdir(parents=True)
    lines = [
        {"query": f"tell me about {topic}", "positive": f"All about {topic}.", "negative": f"Nothing about {topic}."}
        for topic in TOPICS
    ]
    (folder / "triples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {"source": "triples", "path": str(folder / "triples.jsonl"), "max_length": 16, "dev": 0.25, "test": 0.25}


def write_pairs(folder: Path) -> Options:
    folder.mkdir(parents=True)
    lines = "".join(f'"what of {topic}?","{topic}, and ""more"""\n' for topic in TOPICS)
    (folder / "faq.csv").write_text(f"question,answer\n{lines}")
    return {
        "source": "pairs",
        "path": str(folder / "faq.csv"),
        "max_length": 16,
        "split.train": 0.5,
        "split.dev": 0.25,
    }


def write_qdrant(folder: Path) -> Options:
    client = QdrantClient(path=str(folder / "store"))
    client.create_collection("topics", VectorParams(size=5, distance=Distance.COSINE))
    vectors = np.random.default_rng(0).standard_normal((9, 5)).tolist()
    client.upsert("topics", [PointStruct(id=row, vector=vector) for row, vector in enumerate(vectors)])
    client.close()
    lines = [json.dumps({"vector": vector, "relevant": [row]}) + "\n" for row, vector in enumerate(vectors)]
    (folder / "log.jsonl").write_text("".join(lines))
    return {
        "source": "qdrant",
        "collection": "topics",
        "path": str(folder / "store"),
        "log": str(folder / "log.jsonl"),
        "dev": 0.25,
        "test": 0.25,
    }


def write_paragraphs(folder: Path) -> Options:
    for package in ("nvf_parts_a", "nvf_parts_b", "nvf_parts_c"):
        (folder / package).mkdir(parents=True)
        functions = []
        for name in ("lists", "heaps"):
            parts = "\n\n".join(f"    About {topic}, of which {package} has many in {name}." for topic in TOPICS[:5])
            functions.append(f'def {name}():\n    """\n{parts}\n    """\n')
        (folder / package / "__init__.py").write_text("\n\n".join(functions))
    splits = {"train": ["nvf_parts_a"], "dev": ["nvf_parts_b"], "test": ["nvf_parts_c"]}
    return {"source": "paragraphs", **splits, "context": 3, "limit": 100, "max_length": 16}


@pytest.fixture(
    params=[
        write_beir,
        write_vectors,
        write_pydocs,
        write_synthetic,
        write_walks,
        write_sequences,
        write_triples,
        write_pairs,
        write_qdrant,
        write_paragraphs,
    ],
    ids=["beir", "vectors", "pydocs", "synthetic", "walks", "sequences", "triples", "pairs", "qdrant", "paragraphs"],
)
def options(request: pytest.FixtureRequest, tmp_path: Path, mlruns: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    monkeypatch.syspath_prepend(tmp_path / "source")
    write: Callable[[Path], Options] = request.param
    return write(tmp_path / "source")


@pytest.fixture
def task(options: Options) -> Task:
    return tasks.build(options)


class TestTask:
    def test_has_three_splits_of_consistent_shape(self, task: Task) -> None:
        assert set(task.splits) == {"train", "dev", "test"}
        for name, split in task.splits.items():
            assert split.name == name
            assert len(split) > 0
            assert len(split.queries.ids) == len(split.qrels) == len(split.queries.vectors) == len(split)
            assert split.queries.vectors.shape[-1] == task.corpus.dim
            assert split.queries.vectors.dtype == task.corpus.vectors.dtype == np.float32
            assert split.clean.shape == split.own.shape == (len(split),)
            assert split.clean.dtype == bool
            assert (split.qrels.rows >= 0).all() and (split.qrels.rows < len(task.corpus)).all()
            assert len(split.qrels.relevant().rows) == len(split)
        assert task.train.clean.all()

    def test_ids_differ_and_order_sorts_them(self, task: Task) -> None:
        ids = list(task.corpus.ids)
        assert len(set(ids)) == len(ids)
        assert [ids[row] for row in np.argsort(task.corpus.order)] == sorted(ids)
        asked = [query for split in task.splits.values() for query in split.queries.ids]
        assert len(set(asked)) == len(asked)

    def test_unit_tells_the_truth(self, task: Task) -> None:
        lengths = np.linalg.norm(task.corpus.vectors, axis=1)
        assert task.corpus.unit == bool(np.allclose(lengths, 1, atol=1e-4))

    def test_source_makes_the_same_task_again(self, task: Task, options: Options) -> None:
        assert json.loads(json.dumps(task.source)) == task.source
        assert task.source.items() >= options.items()
        assert tasks.build(task.source).fingerprint == task.fingerprint

    def test_a_look_sees_as_many_queries_and_documents(self, task: Task, options: Options) -> None:
        seen = tasks.look(options)
        assert seen.name == task.name
        assert seen.documents in (len(task.corpus), None)
        counts = list(seen.queries.values())
        assert None in counts or sum(counts) == sum(map(len, task.splits.values()))
        assert seen.splits == ["train", "dev", "test"]

    def test_a_look_knows_which_systems_apply(self, task: Task, options: Options) -> None:
        kind = tasks.look(options).kind.key
        for name, entry in catalogue().items():
            assert (kind not in entry.refusals) == (SYSTEMS[name].applies_to(task) is None), name

    def test_snapshot_returns_an_equal_task(self, task: Task, tmp_path: Path) -> None:
        opened = tasks.open_snapshot(tasks.snapshot(task, tmp_path / "snapshots"), verify=True)
        assert_equal(opened, task)
        assert fingerprint(opened) == opened.fingerprint == task.fingerprint

    def test_build_snapshot_finds_it_again(self, task: Task, options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tasks.build_snapshot(options)
        assert_equal(tasks.open_snapshot(folder), task)
        monkeypatch.setattr(type(tasks.SOURCES[options["source"]]), "load", None)
        assert tasks.build_snapshot(options) == folder

    def test_fingerprint_depends_on_ids_judgements_splits_vectors(self, task: Task) -> None:
        corpus, test = task.corpus, task.split("test")
        renamed = dataclasses.replace(corpus, ids=[f"x{name}" for name in corpus.ids])
        moved = dataclasses.replace(corpus, vectors=corpus.vectors + np.float32(1e-3))
        table = np.stack([test.qrels.query_rows, test.qrels.rows, test.qrels.grades + 1], axis=1)
        regraded = dataclasses.replace(test, qrels=Qrels.from_triples(len(test), table))
        fewer = test.select(np.arange(len(test) - 1))
        prints = [
            task.fingerprint,
            *(fingerprint(dataclasses.replace(task, corpus=other)) for other in (renamed, moved)),
            *(
                fingerprint(dataclasses.replace(task, splits={**task.splits, "test": other}))
                for other in (regraded, fewer)
            ),
        ]
        assert len(set(prints)) == len(prints)

    def test_withhold_hides_documents_from_training_only(self, task: Task) -> None:
        part = task.withhold(0.5, seed=3)
        judged = np.unique(task.train.qrels.relevant().rows)
        left = np.unique(part.train.qrels.relevant().rows)
        assert part.cold is not None and part.cold.shape == (len(task.corpus),)
        assert set(left) < set(judged)
        assert len(left) == len(judged) - round(0.5 * len(judged))
        np.testing.assert_array_equal(np.flatnonzero(~part.cold), left)
        assert part.split("test") is task.split("test")
        assert (np.diff(part.train.qrels.starts) > 0).all()
        np.testing.assert_array_equal(part.cold, task.withhold(0.5, seed=3).cold)
        assert task.withhold(0, seed=3) is task

    def test_withhold_keeps_what_it_took(self, task: Task) -> None:
        part = task.withhold(0.5, seed=3).train
        assert task.train.withheld is None and part.withheld is not None
        at = {query: row for row, query in enumerate(task.train.queries.ids)}
        for row, query in enumerate(part.queries.ids):
            taken = [*zip(*part.withheld.of(row), strict=True)]
            assert sorted([*zip(*part.qrels.of(row), strict=True), *taken]) == sorted(
                zip(*task.train.qrels.of(at[query]), strict=True)
            )
        last = part.select(np.array([len(part) - 1])).withheld
        assert last is not None and len(last) == 1
        np.testing.assert_array_equal(last.rows, part.withheld.of(len(part) - 1)[0])


def assert_equal(left: Task, right: Task) -> None:
    for name in ("name", "source", "threshold", "encoder", "max_length", "leaks", "notes", "fingerprint"):
        assert getattr(left, name) == getattr(right, name), name
    assert left.corpus.unit == right.corpus.unit
    assert list(left.corpus.ids) == list(right.corpus.ids)
    assert (left.corpus.texts is None) == (right.corpus.texts is None)
    assert list(left.corpus.texts or ()) == list(right.corpus.texts or ())
    np.testing.assert_array_equal(left.corpus.vectors, right.corpus.vectors)
    np.testing.assert_array_equal(left.corpus.order, right.corpus.order)
    assert set(left.splits) == set(right.splits)
    for name, split in right.splits.items():
        other = left.split(name)
        assert list(other.queries.ids) == list(split.queries.ids)
        assert list(other.queries.texts or ()) == list(split.queries.texts or ())
        np.testing.assert_array_equal(other.queries.vectors, split.queries.vectors)
        for field in ("starts", "rows", "grades"):
            np.testing.assert_array_equal(getattr(other.qrels, field), getattr(split.qrels, field))
        np.testing.assert_array_equal(other.clean, split.clean)
        np.testing.assert_array_equal(other.own, split.own)
    assert set(left.truth) == set(right.truth)
    for name, array in right.truth.items():
        np.testing.assert_array_equal(left.truth[name], array)
