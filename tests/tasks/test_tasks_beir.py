from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvf import tasks
from nvf.errors import ParamsError, TaskError
from nvf.tasks import leakage
from nvf.tasks.base import Split, Task

DIM = 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A BEIR folder with stored vectors: 6 documents, 10 queries, 8 of them judged in train, 2 in test."""
    base = tmp_path / "tiny"
    (base / "qrels").mkdir(parents=True)
    rng = np.random.default_rng(1)
    for name, letter, count in (("corpus", "d", 6), ("queries", "q", 10)):
        ids = [f"{letter}{row}" for row in range(count)]
        lines = [
            {"_id": name, "title": f"Title {name}" if letter == "d" else "", "text": f"text {name}"} for name in ids
        ]
        (base / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        np.save(base / f"{name}.npy", rng.standard_normal((count, DIM)).astype(np.float32))
        (base / f"{name}_ids.json").write_text(json.dumps(ids))
    write_qrels(base, "train", [f"q{row}\td{row % 6}\t1" for row in range(8)])
    write_qrels(base, "test", ["q8\td0\t2", "q8\td1\t1", "q9\td2\t1"])
    return base


def write_qrels(folder: Path, split: str, lines: list[str], header: bool = True) -> None:
    lines = ["query-id\tcorpus-id\tscore", *lines] if header else lines
    (folder / "qrels" / f"{split}.tsv").write_text("".join(f"{line}\r\n" for line in lines))


def build(folder: Path, **options: Any) -> Task:
    return tasks.build({"source": "beir", "path": str(folder), "vectors": str(folder), "dev": 0.25, **options})


def answers(split: Split) -> dict[str, dict[int, int]]:
    return {
        query: dict(zip(*(part.tolist() for part in split.qrels.of(row)), strict=True))
        for row, query in enumerate(split.queries.ids)
    }


def test_reads_grades_texts_and_vectors_by_id(folder: Path) -> None:
    vectors = np.load(folder / "queries.npy")
    turned = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    np.save(folder / "queries.npy", vectors[turned])
    (folder / "queries_ids.json").write_text(json.dumps([f"q{row}" for row in turned]))
    task = build(folder)
    test = task.split("test")
    assert answers(test) == {"q8": {0: 2, 1: 1}, "q9": {2: 1}}
    assert test.queries.texts == ["text q8", "text q9"]
    assert task.corpus.texts is not None and task.corpus.texts[0] == "Title d0 text d0"
    np.testing.assert_array_equal(test.queries.vectors, vectors[8:])
    assert task.name == "beir/tiny"


def test_header_is_optional(folder: Path) -> None:
    with_header = build(folder)
    write_qrels(folder, "test", ["q8\td0\t2", "q8\td1\t1", "q9\td2\t1"], header=False)
    assert build(folder).fingerprint == with_header.fingerprint


def test_dev_is_carved_only_where_there_is_none(folder: Path) -> None:
    task = build(folder)
    assert (len(task.train), len(task.split("dev"))) == (6, 2)
    assert not set(task.train.queries.ids) & set(task.split("dev").queries.ids)
    write_qrels(folder, "dev", ["q0\td0\t1"])
    task = build(folder)
    assert (len(task.train), list(task.split("dev").queries.ids)) == (8, ["q0"])


def test_train_may_be_missing_where_dev_is_given(folder: Path) -> None:
    (folder / "qrels" / "train.tsv").unlink()
    with pytest.raises(TaskError, match="neither a dev split nor training queries to carve one from"):
        build(folder)
    write_qrels(folder, "dev", ["q0\td0\t1"])
    task = build(folder)
    assert len(task.train) == 0
    assert task.split("test").clean.all()
    assert all(row.other != "train" for row in task.leaks)


def test_documents_that_are_missing_have_row_minus_one_and_a_note(folder: Path) -> None:
    write_qrels(folder, "test", ["q8\td0\t2", "q8\tgone\t1", "q9\td2\t1"])
    task = build(folder)
    assert answers(task.split("test"))["q8"] == {-1: 1, 0: 2}
    assert [note for note in task.notes if "not in the corpus" in note] == [
        "1 judgements (1 in test) name documents that are not in the corpus: nothing finds those"
    ]


def test_lone_surrogates_are_replaced(folder: Path, mlruns: Path) -> None:
    damage_line("corpus.jsonl", 1, '{"_id": "d0", "text": "half a \\ud83d smile"}')(folder)
    task = tasks.open_snapshot(tasks.snapshot(build(folder)))
    assert task.corpus.texts is not None and task.corpus.texts[0] == "half a ? smile"


def test_own_document_is_marked(folder: Path) -> None:
    names = ["q9", *(f"d{row}" for row in range(1, 6))]
    lines = [json.dumps({"_id": name, "text": f"text {name}"}) for name in names]
    (folder / "corpus.jsonl").write_text("\n".join(lines))
    (folder / "corpus_ids.json").write_text(json.dumps(names))
    assert build(folder).split("test").own.tolist() == [-1, 0]


def drop_query(folder: Path) -> None:
    lines = (folder / "queries.jsonl").read_text().splitlines()
    (folder / "queries.jsonl").write_text("\n".join(lines[:-1]))


def damage_line(name: str, line: int, content: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        lines = (folder / name).read_text().splitlines()
        lines[line - 1] = content
        (folder / name).write_text("\n".join(lines))

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_line("corpus.jsonl", 3, '{"_id": '), r"corpus\.jsonl:3: not JSON"),
        (damage_line("corpus.jsonl", 3, "[1]"), r"corpus\.jsonl:3: expected a JSON object, found list"),
        (damage_line("queries.jsonl", 2, '{"_id": "q1"}'), r"queries\.jsonl:2: expected .*_id"),
        (
            damage_line("corpus.jsonl", 2, '{"_id": "d0", "text": "x"}'),
            r"corpus\.jsonl:2: the id 'd0' was given before",
        ),
        (damage_line("qrels/train.tsv", 4, "q2 d2 1"), r"train\.tsv:4: expected query-id.*'q2 d2 1'"),
        (damage_line("qrels/train.tsv", 4, "q2\td2\tgood"), r"train\.tsv:4: expected"),
        (damage_line("qrels/test.tsv", 3, "q8\td0\t1"), r"test\.tsv:3: 'q8' and 'd0' were judged before"),
        (lambda folder: write_qrels(folder, "test", []), r"test\.tsv holds no judgements"),
        (lambda folder: (folder / "qrels" / "test.tsv").unlink(), r"test\.tsv does not exist"),
        (lambda folder: (folder / "corpus.jsonl").unlink(), r"corpus\.jsonl does not exist"),
        (lambda folder: (folder / "corpus.jsonl").write_text(""), r"corpus\.jsonl is empty"),
        (lambda folder: (folder / "queries.npy").unlink(), r"queries\.npy does not exist"),
        (drop_query, r"queries\.jsonl lacks 1 queries that are judged.*: q9"),
        (lambda folder: (folder / "corpus_ids.json").write_text('["d0"]'), r"6 rows, but .*corpus_ids\.json has 1 ids"),
        (
            lambda folder: np.save(folder / "queries.npy", np.ones((10, 3), np.float32)),
            r"queries are 3 wide, but documents 4",
        ),
    ],
)
def test_bad_files_are_named(folder: Path, damage: Callable[[Path], None], message: str) -> None:
    build(folder)
    damage(folder)
    with pytest.raises(TaskError, match=message):
        build(folder)


def test_bad_options_are_named() -> None:
    with pytest.raises(TaskError, match="'bier' is not a source of tasks; did you mean 'beir'"):
        tasks.build({"source": "bier"})
    with pytest.raises(TaskError, match=f"None is not a source of tasks; known: {', '.join(sorted(tasks.SOURCES))}"):
        tasks.build({"path": "x"})
    with pytest.raises(ParamsError, match=r"source beir\): 'path' is missing: folder with corpus.jsonl"):
        tasks.build({"source": "beir"})
    with pytest.raises(ParamsError, match="unknown parameter 'pth'; did you mean 'path'"):
        tasks.build({"source": "beir", "pth": "x"})


def test_changed_input_files_are_noticed(folder: Path, mlruns: Path) -> None:
    options = {"source": "beir", "path": str(folder), "vectors": str(folder)}
    first = tasks.build_snapshot(options)
    assert tasks.build_snapshot(options) == first
    write_qrels(folder, "test", ["q8\td0\t2"])
    second = tasks.build_snapshot(options)
    assert second != first
    assert len(tasks.open_snapshot(second).split("test")) == 1


def raw_figures(split: Split, task: Task) -> tuple[float, float]:
    """nDCG@10 of the cosine over all and over clean queries, by trec_eval."""
    ir_measures = pytest.importorskip("ir_measures")
    scores = np.asarray(split.queries.vectors) @ np.asarray(task.corpus.vectors).T
    best = np.argsort(-scores, axis=1)[:, :100]
    ids, documents = split.queries.ids, task.corpus.ids
    run = [
        ir_measures.ScoredDoc(ids[query], documents[row], float(scores[query, row]))
        for query in range(len(split))
        for row in best[query]
    ]
    qrels = [
        ir_measures.Qrel(query, documents[row], grade)
        for query, found in answers(split).items()
        for row, grade in found.items()
    ]
    values = {metric.query_id: metric.value for metric in ir_measures.iter_calc([ir_measures.nDCG @ 10], qrels, run)}
    figures = np.array([values[query] for query in ids])
    return float(figures.mean()), float(figures[split.clean].mean())


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "everything", "clean", "near"), [("scifact", 0.6451, None, 108), ("nfcorpus", 0.3159, 0.3178, 29)]
)
def test_published_figures(data_folder: Path, name: str, everything: float, clean: float | None, near: int) -> None:
    stored = data_folder / "embeddings" / "minilm-256" / name
    task = tasks.build({"source": "beir", "path": str(data_folder / "beir" / name), "vectors": str(stored)})
    test = task.split("test")
    found = raw_figures(test, task)
    assert found[0] == pytest.approx(everything, abs=5e-5)
    if clean is not None:  # SciFact's depends on which queries the seed carved off for dev
        assert found[1] == pytest.approx(clean, abs=5e-5)
    assert len(test) - test.clean.sum() == near
    assert f"leak: {near} of {len(test)} test queries have a near-duplicate in train" in "\n".join(
        leakage.describe(task)
    )


@pytest.mark.data
def test_no_dev_query_of_scifact_leaks(data_folder: Path) -> None:
    stored = data_folder / "embeddings" / "minilm-256" / "scifact"
    task = tasks.build({"source": "beir", "path": str(data_folder / "beir" / "scifact"), "vectors": str(stored)})
    row = next(row for row in task.leaks if (row.split, row.other) == ("dev", "train"))
    assert (row.near, row.shared, row.queries) == (0, 0, 162)
