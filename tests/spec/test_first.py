"""The sweep file that nvf writes for data: it is valid, names what it should, and stands where its data do not move."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from nvf.errors import TaskError
from nvf.spec.first import DOCSTRINGS, file_for, first


def task(file: Path, data: Path | None) -> dict[str, Any]:
    document = yaml.safe_load(first(file, data))
    assert document["name"] == file_for(file).stem
    return dict(document["task"])


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_without_data_it_is_text_that_is_there() -> None:
    assert task(Path("first.yaml"), None) == DOCSTRINGS
    quickstart = Path(__file__).parents[2] / "search_spaces" / "quickstart.yaml"
    assert yaml.safe_load(quickstart.read_text())["task"] == DOCSTRINGS, "both ask the same docstrings"


def test_tables_are_told_from_triples(tmp_path: Path) -> None:
    file, pair = tmp_path / "own.yaml", {"query": "q", "positive": "p"}
    assert task(file, lines(tmp_path / "a.jsonl", pair | {"negative": "n"}))["source"] == "triples"
    assert task(file, lines(tmp_path / "b.jsonl", pair | {"split": "dev"}))["source"] == "pairs", (
        "triples have no splits"
    )
    (tmp_path / "c.tsv").write_text("query\tpositive\nq\tp\n")
    assert task(file, tmp_path / "c.tsv") == {"source": "pairs", "path": "c.tsv", "encoder": "minilm"}


def test_a_path_is_seen_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "faq, 2024: {new}.csv").write_text("question,answer\n")
    monkeypatch.chdir(tmp_path / "data")
    table = Path("faq, 2024: {new}.csv")
    assert task(tmp_path / "own.yaml", table)["path"] == f"data/{table}"
    assert task(tmp_path / "elsewhere" / "own.yaml", table)["path"] == str(tmp_path / "data" / table)


@pytest.mark.parametrize("learns", [True, False])
def test_beir_with_nothing_to_learn_from_is_carved(tmp_path: Path, learns: bool) -> None:
    (tmp_path / "qrels").mkdir()
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv", *(["qrels/train.tsv"] if learns else [])):
        (tmp_path / name).write_text("")
    assert ("split" in task(tmp_path / "own.yaml", tmp_path)) is not learns


@pytest.mark.parametrize("name", ["2024.csv", "null.tsv", "My FAQ.csv.gz", "é.csv", f"{'long' * 50}.csv"])
def test_every_file_name_makes_a_sweeps_name(name: str) -> None:
    named = yaml.safe_load(first(file_for(Path(name)), None))["name"]
    assert isinstance(named, str) and 0 < len(named) <= 64 and named in file_for(Path(name)).name


@pytest.mark.parametrize(
    ("name", "says"), [("", "no corpus.jsonl"), ("gone.csv", "not there"), ("a.txt", "must end in")]
)
def test_what_is_not_read_is_told(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "a.txt").write_text("what?\n")
    with pytest.raises(TaskError, match=says):
        first(tmp_path / "own.yaml", tmp_path / name)
