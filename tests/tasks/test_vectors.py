from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nvf import tasks
from nvf.errors import TaskError
from nvf.tasks.base import Task

Options = dict[str, str]


@pytest.fixture
def options(tmp_path: Path) -> Options:
    rng = np.random.default_rng(2)
    np.save(tmp_path / "c.npy", rng.standard_normal((7, 5)).astype(np.float32))
    np.save(tmp_path / "q.npy", rng.standard_normal((6, 5)))
    (tmp_path / "c.txt").write_text("".join(f"d{row}\n" for row in range(7)))
    (tmp_path / "q.json").write_text(json.dumps([f"q{row}" for row in range(6)]))
    for name, rows in {"train": range(2), "dev": range(2, 4), "test": range(4, 6)}.items():
        (tmp_path / f"{name}.tsv").write_text("".join(f"q{row}\td{row}\t1\n" for row in rows))
    (tmp_path / "texts.jsonl").write_text(
        "\n".join(json.dumps({"_id": f"d{row}", "text": f"t{row}"}) for row in range(7))
    )
    files = {
        "corpus": "c.npy",
        "corpus_ids": "c.txt",
        "queries": "q.npy",
        "queries_ids": "q.json",
        "corpus_texts": "texts.jsonl",
    }
    files |= {name: f"{name}.tsv" for name in ("train", "dev", "test")}
    return {"source": "vectors", **{key: str(tmp_path / name) for key, name in files.items()}}


def build(options: Options) -> Task:
    return tasks.build(options)


def test_takes_what_is_given(options: Options) -> None:
    task = build(options)
    assert task.corpus.texts == [f"t{row}" for row in range(7)]
    assert task.split("test").queries.texts is None
    assert task.split("test").queries.vectors.dtype == np.float32
    np.testing.assert_allclose(task.split("test").queries.vectors, np.load(options["queries"])[4:], rtol=1e-6)
    assert (task.encoder, task.max_length, task.corpus.unit) == (None, None, False)


def test_half_precision_unit_vectors_get_their_length_back(options: Options) -> None:
    rng = np.random.default_rng(3)
    unit = rng.standard_normal((7, 5))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    np.save(options["corpus"], unit.astype(np.float16))
    corpus = build(options).corpus
    assert corpus.vectors.dtype == np.float32
    assert corpus.unit
    np.testing.assert_allclose(corpus.vectors, unit, atol=1e-3)


def test_half_precision_vectors_of_other_lengths_are_left_alone(options: Options) -> None:
    longer = np.full((7, 5), 3, dtype=np.float16)
    np.save(options["corpus"], longer)
    np.testing.assert_array_equal(build(options).corpus.vectors, longer)


def put(value: float) -> Callable[[Options], None]:
    def spoil(options: Options) -> None:
        vectors = np.load(options["corpus"])
        vectors[3] = value
        np.save(options["corpus"], vectors)

    return spoil


def save_archive(options: Options) -> None:
    with Path(options["queries"]).open("wb") as file:
        np.savez(file, np.ones((6, 5)))


def write(key: str, content: str) -> Callable[[Options], None]:
    return lambda options: Path(options[key]).write_text(content) and None


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (put(float("nan")), r"c\.npy: row 3 holds NaN or infinity"),
        (put(float("inf")), r"c\.npy: row 3 holds NaN or infinity"),
        (put(0.0), r"c\.npy: row 3 is all zeros"),
        (
            lambda options: np.save(options["queries"], np.ones((6, 4))),
            r"q\.npy has rows of 4 numbers, but .*c\.npy of 5",
        ),
        (lambda options: np.save(options["queries"], np.ones((5, 5))), r"q\.npy has 5 rows, but .*q\.json has 6 ids"),
        (
            lambda options: np.save(options["queries"], np.ones(6)),
            r"q\.npy: expected rows of floats, found shape \(6,\)",
        ),
        (lambda options: np.save(options["queries"], np.ones((6, 5), int)), r"q\.npy: expected rows of floats.*int64"),
        (
            lambda options: np.save(options["queries"], np.array([["a"]], object)),
            r"q\.npy is not a \.npy file of numbers",
        ),
        (save_archive, r"q\.npy is an archive \(\.npz\): save the one array"),
        (write("queries", "no array"), r"q\.npy is not a \.npy file of numbers"),
        (write("corpus_ids", "d0\nd1\nd0\n"), r"c\.txt: the id 'd0' stands at rows 0 and 2"),
        (write("queries_ids", "{}"), r"q\.json: expected a list of ids"),
        (write("queries_ids", "["), r"q\.json: not JSON"),
        (write("test", "q4\td4\t1\nnobody\td4\t1\n"), r"test\.tsv judges 1 queries that .*q\.json lacks: nobody"),
        (write("corpus_texts", '{"_id": "d0", "text": "t"}'), r"texts\.jsonl lacks the text of 6 ids: d1, d2"),
        (lambda options: Path(options["dev"]).unlink(), r"dev\.tsv does not exist"),
    ],
)
def test_bad_files_are_named(options: Options, spoil: Callable[[Options], None], message: str) -> None:
    build(options)
    spoil(options)
    with pytest.raises(TaskError, match=message):
        build(options)
