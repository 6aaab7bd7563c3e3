"""Bad input of every kind: exit code 2, one clear message, no traceback, nothing left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nvf.journal.events import Journal
from tests.tracking import journals

Run = Callable[..., "object"]

SPEC = """\
name: small
task: {source: synthetic, documents: 50, dim: 8, train: 100, dev: 20, test: 20}
system: linear
space: {lr: {log: [0.001, 0.01]}}
search: {trials: 2}
budget: {epochs: 1}
"""
VECTORS = """\
name: own
task:
  source: vectors
  corpus: ${FOLDER}/corpus.npy
  corpus_ids: ${FOLDER}/corpus.json
  queries: ${FOLDER}/queries.npy
  queries_ids: ${FOLDER}/queries.json
  train: ${FOLDER}/train.tsv
  dev: ${FOLDER}/dev.tsv
  test: ${FOLDER}/test.tsv
system: linear
"""
BEIR = """\
name: folder
task: {source: beir, path: ${FOLDER}}
system: linear
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("search:", "serach:", "spec.yaml:5: serach: unknown key 'serach'; did you mean 'search'?"),
        ("[0.001, 0.01]", "[0.001, 10]", "spec.yaml:4: space.lr: lr = 10.0 is out of bounds"),
        ("[0.001, 0.01]", "[0.001, 0.01], when: {heds: query}", "unknown parameter 'heds'; did you mean 'heads'?"),
        ("system: linear", "system: liner", "spec.yaml:3: system: "),
        ("documents: 50", "documents: many", "spec.yaml:2: task"),
    ],
)
def test_a_sweep_file(nvf: Run, mlruns: Path, tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC.replace(old, new))
    for command in ("sweep", "check", "floors"):
        _refused(nvf(command, path), message)
    assert not (mlruns / "sweeps").exists()


@pytest.mark.parametrize(
    ("gates", "line", "message"),
    [
        ("{floors: [raw, bm26]}", "spec.yaml:7: gates.floors.1: ", "'bm26' is no floor; did you mean 'bm25'?"),
        ("{baseline: linear, gain: {R@5: 0.1}}", "spec.yaml:7: gates.baseline: ", "'linear' is no floor"),
        ("{floors: bm25}", "", "gates.floors: 'bm25' is no floor of this task; raw"),
        ("{baseline: hybrid, gain: {R@5: 0.1}}", "", "gates.baseline: 'hybrid' is no floor of this task; raw"),
    ],
)
def test_a_gate_that_names_a_floor(nvf: Run, mlruns: Path, tmp_path: Path, gates: str, line: str, message: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(f"{SPEC}gates: {gates}\n")
    _refused(nvf("sweep", path), line + message)
    assert not (mlruns / "sweeps" / "small").exists()


@pytest.mark.parametrize(
    ("system", "reason"), [("fused", "has no text"), ("lvm", "not a window"), ("context_mean", "not a window")]
)
def test_a_system_that_cannot_search_the_task(nvf: Run, mlruns: Path, tmp_path: Path, system: str, reason: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(
        SPEC.replace("system: linear", f"system: {system}").replace("space: {lr: {log: [0.001, 0.01]}}\n", "")
    )
    done = nvf("sweep", path)
    _refused(done, f"system: '{system}' cannot search this task")
    assert reason in str(done) and "linear" in str(done)
    assert not (mlruns / "sweeps" / "small").exists()


def test_a_missing_file(nvf: Run, mlruns: Path, tmp_path: Path) -> None:
    _refused(nvf("sweep", tmp_path / "none.yaml"), "none.yaml: cannot be read (No such file or directory)")
    path = tmp_path / "spec.yaml"
    path.write_text(BEIR.replace("${FOLDER}", str(tmp_path / "nowhere")))
    _refused(nvf("sweep", path), "nowhere")


def test_a_name_that_exists(nvf: Run, mlruns: Path, tmp_path: Path) -> None:
    with Journal.create(mlruns / "sweeps" / "small") as journal:
        journals.start(journal, "small")
        journals.start_trial(journal, 0)
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    _refused(nvf("sweep", path), "a sweep named 'small' exists")


def test_a_sweep_that_does_not_exist(nvf: Run, mlruns: Path) -> None:
    Journal.create(mlruns / "sweeps" / "small").close()
    for command in ("resume", "leaderboard", "status", "promote", "stop", "sync"):
        ran = nvf(command, "smal")
        assert ran.code == 2
        assert "there is no sweep 'smal'" in ran.err and "did you mean 'small'?" in ran.err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("queries.npy", np.ones((3, 5), np.float32), "5"),
        (
            "corpus.npy",
            np.array([[1, 0, 0, 0], [np.nan, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], np.float32),
            "corpus.npy",
        ),
        ("corpus.json", ["a", "b"], "corpus.json"),
        ("corpus.json", ["a", "b", "c", "c"], "corpus.json"),
        ("dev.tsv", "q1\ta\tgood\n", "dev.tsv"),
        ("dev.tsv", "", "dev"),
    ],
)
def test_vectors_of_ones_own(nvf: Run, mlruns: Path, tmp_path: Path, name: str, content: object, message: str) -> None:
    np.save(tmp_path / "corpus.npy", np.eye(4, dtype=np.float32))
    np.save(tmp_path / "queries.npy", np.eye(4, dtype=np.float32)[:3])
    (tmp_path / "corpus.json").write_text(json.dumps(["a", "b", "c", "d"]))
    (tmp_path / "queries.json").write_text(json.dumps(["q0", "q1", "q2"]))
    for place, split in enumerate(("train", "dev", "test")):
        (tmp_path / f"{split}.tsv").write_text(f"q{place}\ta\t1\n")
    if isinstance(content, np.ndarray):
        np.save(tmp_path / name, content)
    else:
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    path = tmp_path / "spec.yaml"
    path.write_text(VECTORS.replace("${FOLDER}", str(tmp_path)))
    _refused(nvf("sweep", path), message)


def test_a_qrels_line(nvf: Run, mlruns: Path, tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "title": "", "text": "a document"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "a query"}\n')
    (tmp_path / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\r\nq\td\t1\r\nq\td\tone\r\n")
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\r\nq\td\t1\r\n")
    path = tmp_path / "spec.yaml"
    path.write_text(BEIR.replace("${FOLDER}", str(tmp_path)))
    ran = nvf("sweep", path)
    _refused(ran, "dev.tsv")
    assert "3" in ran.err.partition("dev.tsv")[2], "the line is named"


def test_wrong_usage(nvf: Run) -> None:
    assert nvf("sweeep").code == 2
    assert nvf("sweep").code == 2
    assert nvf("sweep", "x.yaml", "--trials", "0").code == 2


def _refused(ran: object, message: str) -> None:
    assert ran.code == 2, ran
    assert message in ran.err
    assert "Traceback" not in ran.err
