"""Windows of consecutive vectors, split by document."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvf import tasks
from nvf.errors import TaskError
from nvf.tasks.files import read_ids
from nvf.tasks.sequences import ordered, split_by_document, windows

LENGTHS = {"a": 7, "b": 2, "c:1": 5, "d": 4, "e": 6, "f": 9}
Options = dict[str, Any]


@pytest.fixture
def options(tmp_path: Path) -> Options:
    ids = [f"{document}:{place}" for document, length in LENGTHS.items() for place in range(length)]
    np.save(tmp_path / "sentences.npy", np.random.default_rng(0).standard_normal((len(ids), 6)).astype(np.float32))
    (tmp_path / "sentences_ids.json").write_text(json.dumps(ids))
    return {"source": "sequences", "path": str(tmp_path), "context": 3, "dev": 0.33, "test": 0.33}


def test_the_answer_follows_its_window(options: Options) -> None:
    task = tasks.build(options)
    found = 0
    for split in task.splits.values():
        for row, name in enumerate(split.queries.ids):
            (answer,), (grade,) = split.qrels.of(row)
            assert name == f"before {task.corpus.ids[answer]}" and grade == 1
            assert np.array_equal(split.queries.vectors[row], task.corpus.vectors[answer - 3 : answer])
            assert len({task.corpus.ids[at].rpartition(":")[0] for at in range(answer - 3, answer + 1)}) == 1
        assert (split.own == -1).all()
        found += len(split)
    assert found == sum(max(0, length - 3) for length in LENGTHS.values())
    assert len(task.corpus) == sum(LENGTHS.values())


def test_no_document_is_in_two_splits(options: Options) -> None:
    task = tasks.build(options)
    documents = [{name.rpartition(":")[0] for name in split.queries.ids} for split in task.splits.values()]
    assert sum(map(len, documents)) == len(set.union(*documents))
    other = tasks.build({**options, "seed": 3})
    assert other.train.queries.ids != task.train.queries.ids


def test_shares_are_of_documents_in_any_order() -> None:
    names = [f"d{row}" for row in range(100)]
    parts = split_by_document(names, 0.2, 0.1, seed=0)
    assert {name: len(part) for name, part in parts.items()} == {"train": 70, "dev": 20, "test": 10}
    assert split_by_document(names[::-1], 0.2, 0.1, seed=0) == parts


def test_places_decide_the_order() -> None:
    assert {name: rows.tolist() for name, rows in ordered(["x:10", "x:9", "y:0"], Path("ids")).items()} == {
        "x": [1, 0],
        "y": [2],
    }
    assert windows([np.arange(2)], 2).shape == (0, 3)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda options: {**options, "dev": 0.6, "test": 0.5}, "leave no document to train on"),
        (lambda options: {**options, "context": 9}, r"have no window of 9 vectors"),
        (lambda options: {**options, "path": "/nowhere"}, r"sentences_ids\.json does not exist"),
    ],
)
def test_bad_options_are_named(options: Options, spoil: Callable[[Options], Options], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        tasks.build(spoil(options))


@pytest.mark.parametrize("bad", ["nothing", "a:", "a:x", ":3"])
def test_an_id_needs_a_place(bad: str) -> None:
    with pytest.raises(TaskError, match="does not read DOCUMENT:PLACE"):
        ordered(["a:0", bad], Path("ids.json"))


@pytest.mark.data
def test_sentences_of_scifact(data_folder: Path) -> None:
    path = data_folder / "embeddings" / "minilm-256" / "scifact_sentences" / "sentences_ids.json"
    documents = ordered(read_ids(path), path)
    assert (len(documents), sum(map(len, documents.values()))) == (5_183, 45_952)
    assert windows([*documents.values()], 5).shape == (20_562, 6)
