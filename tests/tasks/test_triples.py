"""Triples: read once, deduplicated, split without leaks, with negatives that nothing counts as relevant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nvf import tasks
from nvf.errors import TaskError
from nvf.measures import fast
from nvf.systems.pairs import Pairs
from nvf.tasks import spill
from nvf.tasks.base import Task
from nvf.tasks.triples import read_triples
from nvf.types import Ranking

Options = dict[str, Any]
COUNT, DIM = 60, 8


def write(path: Path, *lines: Any) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def options(tmp_path: Path, mlruns: Path) -> Options:
    """60 queries of ids; query q answers with document q // 2, and 3 documents after it are negatives."""
    rng = np.random.default_rng(0)
    lines = [
        {"query": row, "positive": row // 2, "negative": [row // 2 + step for step in range(1, 4)]}
        for row in range(COUNT)
    ]
    ids = {"queries": rng.permutation(COUNT).tolist(), "corpus": rng.permutation(COUNT // 2 + 3).tolist()}
    for name, rows in ids.items():
        np.save(tmp_path / f"{name}.npy", rng.standard_normal((len(rows), DIM)).astype(np.float32))
        (tmp_path / f"{name}_ids.json").write_text(json.dumps(rows))
    path = write(tmp_path / "triples.jsonl", *lines)
    return {"source": "triples", "path": str(path), "vectors": str(tmp_path), "dev": 0.2, "test": 0.2}


@pytest.fixture
def task(options: Options) -> Task:
    return tasks.build(options)


def test_lines_are_read_once_whatever_their_form(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.jsonl",
        {"query": "a", "positive": "x", "negative": "y"},
        {"query": " a ", "positive": "x", "negative": ["z", "y"]},
        {"query": "b", "positive": "y"},
        {"query": "b", "positive": 7, "negative": None},
        {"query": "a", "positive": "z"},
        {"query": "a", "positive": "x", "negative": "z"},
    )
    read = read_triples(path)
    assert list(read.queries) == ["a", "b"] and list(read.documents) == ["x", "y", "z", "7"]
    assert read.judgements.tolist() == [[0, 0, 1], [0, 1, 0], [0, 2, 1], [1, 1, 1], [1, 3, 1]]
    assert read.contradicted == 1


def test_judgements_and_vectors_are_those_of_the_ids(task: Task, options: Options) -> None:
    folder = Path(options["vectors"])
    asked = json.loads((folder / "queries_ids.json").read_text())
    found = np.load(folder / "queries.npy")
    for split in task.splits.values():
        for row, name in enumerate(split.queries.ids):
            number = int(name.removesuffix("?"))
            rows, grades = split.qrels.of(row)
            judged = {int(task.corpus.ids[at]): int(grade) for at, grade in zip(rows, grades, strict=True)}
            assert judged == {number // 2: 1, **{number // 2 + step: 0 for step in range(1, 4)}}
            np.testing.assert_array_equal(split.queries.vectors[row], found[asked.index(number)])
        assert (split.own == -1).all()
    assert sum(map(len, task.splits.values())) == COUNT


def test_no_positive_is_in_two_splits_though_negatives_are(task: Task) -> None:
    assert {name: len(split) for name, split in task.splits.items()} == {"train": 36, "dev": 12, "test": 12}
    assert [(row.near, row.shared) for row in task.leaks] == [(0, 0)] * 3
    train, test = task.train.qrels, task.split("test").qrels
    assert set(train.rows[train.grades == 0]) & set(test.relevant().rows)


def test_measures_give_negatives_nothing(task: Task) -> None:
    qrels = task.split("dev").qrels
    negatives = np.stack([qrels.of(row)[0][qrels.of(row)[1] == 0] for row in range(len(qrels))])
    ranking = Ranking(torch.tensor([[3.0, 2.0, 1.0]] * len(qrels)), torch.from_numpy(negatives))
    for values in fast.per_query(ranking, qrels, ["nDCG@10", "R@5", "RR@10"]).values():
        assert (values == 0).all()


def test_training_takes_positives_only(task: Task) -> None:
    pairs = Pairs(task, torch.device("cpu"))
    for batch in pairs.batches(8, 0):
        asked = [int(task.train.queries.ids[row].removesuffix("?")) for row in batch.rows]
        assert [int(task.corpus.ids[row]) for row in batch.positives] == [number // 2 for number in asked]
        assert batch.others.shape == (2, 0)


def test_a_withheld_document_is_no_negative_either(task: Task) -> None:
    part = task.withhold(0.5, seed=0)
    judged = np.unique(task.train.qrels.relevant().rows)
    assert part.cold is not None
    withheld = judged[part.cold[judged]]
    assert len(withheld) and not np.isin(part.train.qrels.rows, withheld).any()


def test_large_vectors_go_to_a_file_and_nothing_changes(
    task: Task, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill, "IN_MEMORY", 64)
    spilled = tasks.build(options)
    assert isinstance(spilled.corpus.vectors, np.memmap) and isinstance(spilled.train.queries.vectors, np.memmap)
    assert spilled.fingerprint == task.fingerprint


def test_contradictions_are_noted(options: Options) -> None:
    with Path(options["path"]).open("a") as file:
        file.write('{"query": 0, "positive": 5, "negative": 0}\n')
    assert any(note.startswith("1 pairs are positive in one line and negative") for note in tasks.build(options).notes)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"query": "a"}, r"t\.jsonl:2: positive = None is no text"),
        ({"query": " ", "positive": "x"}, r"t\.jsonl:2: query = ' ' is no text"),
        ({"query": True, "positive": "x"}, "query = True is no text"),
        ({"query": "a", "positive": ["x"]}, r"positive = \['x'\] is no text"),
        ({"query": "a", "positive": "x", "negative": ["y", 1.5]}, r"negative = 1\.5 is no text"),
        ({"query": "a", "positive": "x", "negatives": "y"}, "unknown key 'negatives'; did you mean 'negative'"),
    ],
)
def test_bad_lines_are_named(line: Any, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", {"query": "a", "positive": "x"}, line)
    with pytest.raises(TaskError, match=message):
        read_triples(path)


def test_bad_files_are_named(options: Options, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="leave no query to train on"):
        tasks.build({**options, "dev": 0.6, "test": 0.4})
    with pytest.raises(TaskError, match=r"none\.jsonl does not exist"):
        tasks.build({**options, "path": str(tmp_path / "none.jsonl")})
    with pytest.raises(TaskError, match=r"empty\.jsonl is empty"):
        tasks.build({**options, "path": str(write(tmp_path / "empty.jsonl"))})
    with Path(options["path"]).open("a") as file:
        file.write('{"query": 0, "positive": "unheard of"}\n')
    with pytest.raises(TaskError, match="lacks 1 ids of the corpus: unheard of"):
        tasks.build(options)
