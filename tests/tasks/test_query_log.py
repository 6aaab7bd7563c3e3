from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nvf.errors import TaskError
from nvf.tasks.query_log import by_split, read_log


def write(path: Path, *lines: Any) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_every_form_of_a_line(tmp_path: Path) -> None:
    log = read_log(
        write(
            tmp_path / "log.jsonl",
            {"query": " a ", "relevant": [1, "b2"], "split": "test"},
            {"vector": [1, 0.5], "relevant": {"7": 2, "8": 0}, "split": "train"},
            {"query": "c", "vector": [0, 2], "relevant": ["x"], "split": "train"},
        )
    )
    assert [query.text for query in log] == ["a", None, "c"]
    assert [query.relevant for query in log] == [{"1": 1, "b2": 1}, {"7": 2, "8": 0}, {"x": 1}]
    assert log[0].vector is None and log[1].vector is not None and log[1].vector.tolist() == [1, 0.5]
    assert by_split(log) == {"train": [1, 2], "test": [0]}


def test_without_splits_all_is_train(tmp_path: Path) -> None:
    lines = [{"query": name, "relevant": [1]} for name in "abc"]
    assert by_split(read_log(write(tmp_path / "log.jsonl", *lines))) == {"train": [0, 1, 2]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"relevant": [1]}, r"log\.jsonl:2: neither query nor vector"),
        ({"query": "", "relevant": [1]}, "query = '' is no text"),
        ({"query": "a"}, "relevant = None: expected a list of ids"),
        ({"query": "a", "relevant": []}, "relevant names no document above grade 0"),
        ({"query": "a", "relevant": {"x": 0}}, "relevant names no document above grade 0"),
        ({"query": "a", "relevant": {"x": 0.5}}, "object of id: whole grade"),
        ({"query": "a", "relevant": [True]}, "expected a list of ids"),
        ({"query": "a", "relevant": [1], "split": "eval"}, "split = 'eval' is not one of train, dev, test"),
        ({"query": "a", "relevant": [1], "split": "dev"}, "either every line names a split or none"),
        ({"query": "a", "relevent": [1]}, "unknown key 'relevent'; did you mean 'relevant'"),
        ({"vector": [0, 0], "relevant": [1]}, "finite numbers that are not all 0"),
        ({"vector": [1, None], "relevant": [1]}, "finite numbers that are not all 0"),
        ({"vector": [1e300, 1], "relevant": [1]}, "finite numbers that are not all 0"),
        ({"vector": [10**400, 1], "relevant": [1]}, "finite numbers that are not all 0"),
        ({"query": "a", "relevant": {"x": 10**30}}, "object of id: whole grade"),
        ({"vector": [1, 2, 3], "relevant": [1]}, r"log\.jsonl:2: a vector of 3 numbers, but that of line 1 has 2"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_bad_lines_are_named(line: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=message):
        read_log(write(tmp_path / "log.jsonl", {"vector": [1, 2], "relevant": [1]}, line))


def test_an_empty_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="is empty: it needs one"):
        read_log(write(tmp_path / "log.jsonl"))
