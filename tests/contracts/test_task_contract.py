"""What every task has in common, whatever source it comes from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, PointStruct, VectorParams

from nvf.testing import SourceCases
from nvf.testing.sources import Options

TOPICS = ("apples", "bridges", "clouds", "dogs", "engines", "forests", "glaciers", "harbours")


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


class TestTask(SourceCases):
    pass
