"""Data as people have it: each input gives its figure, or one sentence before anything is encoded."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, PointStruct, VectorParams

Run = Callable[..., Any]
COUNT, DIM = 60, 16
PARTS = {"train": range(30), "dev": range(30, 45), "test": range(45, 60)}
SEARCH = "system: linear\nspace: {lr: {log: [1e-4, 1e-3]}}\nsearch: {trials: 2}\nbudget: {epochs: 1}\n"
Spell = Callable[[int], str]


def plain(row: int) -> str:
    return f"d{row}"


def vectors() -> tuple[Any, Any]:
    """Documents, and queries that lie near the one of the same row."""
    rng = np.random.default_rng(1)
    documents = rng.standard_normal((COUNT, DIM)).astype(np.float32)
    return documents, documents + 0.05 * rng.standard_normal((COUNT, DIM)).astype(np.float32)


def write_beir(
    folder: Path,
    document: Spell = plain,
    judged: Spell | None = None,
    line: str = "{query}\t{document}\t1\n",
    head: str = "query-id\tcorpus-id\tscore\n",
    parts: Sequence[str] = tuple(PARTS),
    stored: bool = True,
) -> str:
    (folder / "qrels").mkdir(parents=True)
    names = {"corpus": [document(row) for row in range(COUNT)], "queries": [f"q{row}" for row in range(COUNT)]}
    for kind, array in zip(names, vectors(), strict=True):
        entries = [{"_id": name, "text": f"{kind} word{row}"} for row, name in enumerate(names[kind])]
        (folder / f"{kind}.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        np.save(folder / f"{kind}.npy", array)
        (folder / f"{kind}_ids.json").write_text(json.dumps(names[kind]))
    for part in parts:
        lines = [line.format(query=f"q{row}", document=(judged or document)(row)) for row in PARTS[part]]
        (folder / "qrels" / f"{part}.tsv").write_text(head + "".join(lines))
    return f"{{source: beir, path: {folder}{f', vectors: {folder}' if stored else ''}}}"


def write_row_numbers(folder: Path) -> str:
    folder.mkdir(parents=True)
    for kind, array in zip(("corpus", "queries"), vectors(), strict=True):
        np.save(folder / f"{kind}.npy", array)
    (folder / "ids.json").write_text(json.dumps(list(range(COUNT))))
    for part, rows in PARTS.items():
        (folder / f"{part}.tsv").write_text("".join(f"{row}\t{row}\t1\n" for row in rows))
    named = {kind: f"{kind}.npy" for kind in ("corpus", "queries")}
    named |= {f"{kind}_ids": "ids.json" for kind in ("corpus", "queries")} | {part: f"{part}.tsv" for part in PARTS}
    return f"{{source: vectors, {', '.join(f'{key}: {folder / name}' for key, name in named.items())}}}"


def digest(row: int) -> str:
    return md5(str(row).encode()).hexdigest()


def write_qdrant(folder: Path, spell: Spell, named: Spell = digest) -> str:
    documents, queries = vectors()
    client = QdrantClient(path=str(folder / "store"))
    client.create_collection("articles", VectorParams(size=DIM, distance=Distance.COSINE))
    ids = [int(named(row)) if named(row).isdecimal() else named(row) for row in range(COUNT)]
    client.upsert(
        "articles", [PointStruct(id=each, vector=row.tolist()) for each, row in zip(ids, documents, strict=True)]
    )
    client.close()
    part = {row: name for name, rows in PARTS.items() for row in rows}
    lines = [{"vector": queries[row].tolist(), "relevant": [spell(row)], "split": part[row]} for row in range(COUNT)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return f"{{source: qdrant, path: {folder / 'store'}, collection: articles, log: {folder / 'log.jsonl'}}}"


WRITERS: dict[str, Callable[[Path], str]] = {
    "plain": write_beir,
    "test only": lambda folder: write_beir(folder, parts=["test"]),
    "row numbers": write_row_numbers,
    "four columns": lambda folder: write_beir(folder, line="{query} 0 {document} 1\n", head=""),
    "four columns with a head": lambda folder: write_beir(
        folder, line="{query}\t0\t{document}\t1\n", head="qid\titer\tdocid\trel\n"
    ),
    "grades of a data frame": lambda folder: write_beir(folder, line="{query}\t{document}\t1.0\n"),
    "quoted ids": lambda folder: write_beir(folder, line='"{query}"\t"{document}"\t"1"\n'),
    "leading zeros": lambda folder: write_beir(folder, document=str, judged=lambda row: f"{row:05d}"),
    "blanks behind ids": lambda folder: write_beir(folder, document=lambda row: f"d{row} "),
    "ids as floats": lambda folder: write_beir(
        folder, document=lambda row: str(row + 1), judged=lambda row: f"{row + 1}.0"
    ),
    "hyphens": lambda folder: write_qdrant(folder, lambda row: str(uuid.UUID(digest(row)))),
    "hex": lambda folder: write_qdrant(folder, digest),
    "half hex": lambda folder: write_qdrant(
        folder, lambda row: digest(row) if row % 2 else str(uuid.UUID(digest(row)))
    ),
    "capitals": lambda folder: write_qdrant(folder, lambda row: digest(row).upper()),
    "urn": lambda folder: write_qdrant(folder, lambda row: uuid.UUID(digest(row)).urn),
    "braces": lambda folder: write_qdrant(folder, lambda row: f"{{{uuid.UUID(digest(row))}}}"),
    "numbers with zeros": lambda folder: write_qdrant(folder, lambda row: f"{row:04d}", named=str),
}


def write_spec(tmp_path: Path, task: str, rest: str = SEARCH) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(f"name: field\ntask: {task}\n{rest}")
    return path


@pytest.mark.parametrize("name", WRITERS)
def test_the_right_figure(nvf: Run, mlruns: Path, tmp_path: Path, name: str) -> None:
    spec = write_spec(tmp_path, WRITERS[name](tmp_path / "data"))
    floors = nvf("floors", spec, "--json")
    assert floors.code == 0, floors.err
    report = json.loads(floors.out)
    assert report["split"] == ("test" if name == "test only" else "dev")
    assert report["floors"]["raw"]["all"]["nDCG@10"] == 1.0
    checked = nvf("check", spec, "--json")
    assert checked.code == (2 if name == "test only" else 0), checked.err
    if checked.code == 0:
        (data,) = json.loads(checked.out)[0]["data"]
        assert (data["documents"], data["queries"]) == (COUNT, {"train": 30, "dev": 15, "test": 15})


@pytest.fixture
def no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for the encoder has gone too far."""

    def load(*_: object) -> None:
        raise AssertionError("something was to be encoded")

    monkeypatch.setattr("nvf.encoders.frozen.load", load)


def refused(nvf: Run, spec: Path, *messages: str, commands: Sequence[str] = ("check", "floors", "sweep")) -> None:
    for command in commands:
        ran = nvf(command, spec)
        assert ran.code == 2, (command, ran)
        for message in messages:
            assert message in ran.err, command
        assert "Traceback" not in ran.err


def test_judgements_of_another_corpus(nvf: Run, mlruns: Path, tmp_path: Path, no_encoder: None) -> None:
    task = write_beir(tmp_path / "data", judged=lambda row: f"S{row:04x}-A", stored=False)
    refused(
        nvf,
        write_spec(tmp_path, task),
        "train.tsv: none of its 30 relevant documents is in the corpus (corpus.jsonl)",
        "it names S0000-A, the corpus has d0",
    )
    assert not (mlruns / "sweeps").exists()


def test_a_log_of_another_collection(nvf: Run, mlruns: Path, tmp_path: Path) -> None:
    task = write_qdrant(tmp_path / "data", lambda row: str(uuid.UUID(digest(row + COUNT))))
    refused(nvf, write_spec(tmp_path, task), "none of its 30 relevant documents is in collection 'articles'")


def test_test_alone_is_not_searched(nvf: Run, mlruns: Path, tmp_path: Path, no_encoder: None) -> None:
    spec = write_spec(tmp_path, write_beir(tmp_path / "data", parts=["test"], stored=False))
    refused(
        nvf,
        spec,
        "task beir/data has only test queries, and a sweep chooses on dev",
        "--set 'task.split={train: 0.6, dev: 0.2}'",
        commands=("check", "sweep"),
    )
    assert not (mlruns / "sweeps").exists()
    assert nvf("check", spec, "--set", "task.split={train: 0.6, dev: 0.2}").code == 0


def test_a_large_missing_share_stands_before_the_figures(nvf: Run, mlruns: Path, tmp_path: Path) -> None:
    task = write_beir(tmp_path / "data", judged=lambda row: f"d{row}" if row % 5 else f"gone{row}")
    spec = write_spec(tmp_path, task)
    said = "warning: many judgements (20% in train, 20% in dev, 20% in test) name documents that are not in the corpus"
    out = nvf("floors", spec).out
    assert out.index(said) < out.index("nDCG@10")
    assert said in nvf("check", spec).out


def test_fewer_settings_than_trials(nvf: Run, mlruns: Path, tmp_path: Path) -> None:
    task = "{source: synthetic, documents: 100, dim: 8, train: 100, dev: 50, test: 50}"
    two = "system: linear\nspace: {heads: {choice: [query, shared]}}\nsearch: {trials: 4}\nbudget: {epochs: 1}\n"
    out = nvf("check", write_spec(tmp_path, task, two)).out
    assert "2 for 4 trials" in out
    assert "the space has 2 different settings for 4 trials: trials repeat settings" in out
    none = nvf("check", write_spec(tmp_path, task, "system: linear\n"))
    assert "the space has 1 setting for 20 trials" in none.out


@pytest.mark.parametrize(
    ("task", "rest", "message"),
    [
        ("{source: triples, path: nowhere.jsonl}", SEARCH, "nowhere.jsonl does not exist"),
        ("{source: sequences, path: nowhere}", SEARCH, "does not exist"),
        ("{source: pydocs, train: [no_such_package]}", SEARCH, "no_such_package"),
        ("{source: pairs, path: nowhere.csv}", SEARCH, "nowhere.csv does not exist"),
        ("{source: synthetic}", "system: lvm\n", "spec.yaml:3: system: 'lvm' cannot search this task"),
        ("{source: walks}", "system: linear\n", "'linear' cannot search this task: each query of the task is a window"),
        ("{source: synthetic}", "system: linear\ngates: {floors: bm25}\n", "spec.yaml:4: gates.floors"),
    ],
)
def test_what_does_not_run_is_not_called_valid(
    nvf: Run, mlruns: Path, tmp_path: Path, no_encoder: None, task: str, rest: str, message: str
) -> None:
    refused(nvf, write_spec(tmp_path, task, rest), message, commands=["check"])
    ran = nvf("sweep", tmp_path / "spec.yaml")
    assert ran.code == 2
    assert message.removeprefix("spec.yaml:3: ").removeprefix("spec.yaml:4: ") in ran.err


def test_systems_that_learn_want_training_queries(nvf: Run, mlruns: Path, tmp_path: Path, no_encoder: None) -> None:
    spec = write_spec(tmp_path, write_beir(tmp_path / "data", parts=["dev", "test"], stored=False))
    refused(
        nvf, spec, "'linear' cannot search this task: the task has no training queries", commands=["check", "sweep"]
    )
    spec.write_text(spec.read_text().replace("system: linear\nspace: {lr: {log: [1e-4, 1e-3]}}", "system: raw"))
    assert nvf("check", spec).code == 0
