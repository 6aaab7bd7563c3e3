"""A query's own document: dropped where it is the query itself, never while it counts as an answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvf import tasks
from nvf.errors import TaskError
from nvf.tasks.base import Task
from nvf.training.floors import measure_floors

COUNT, DIM = 12, 8


def write(
    folder: Path, documents: Sequence[str], judged: Sequence[tuple[str, str]], titles: bool = False
) -> dict[str, Any]:
    """Write a set in which query i has the text `argument i`, and document i the text `documents[i]`."""
    (folder / "qrels").mkdir(parents=True)
    texts = {"corpus": documents, "queries": [f"argument {row}" for row in range(COUNT)]}
    for name, lines in texts.items():
        title = {"title": "On health"} if titles and name == "corpus" else {}
        entries = [{"_id": f"a{row}", **title, "text": text} for row, text in enumerate(lines)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        (folder / f"{name}_ids.json").write_text(json.dumps([f"a{row}" for row in range(len(lines))]))
    rng = np.random.default_rng(0)
    queries = rng.standard_normal((COUNT, DIM)).astype(np.float32)
    np.save(folder / "queries.npy", queries)
    others = queries + 0.1 * rng.standard_normal((COUNT, DIM)).astype(np.float32)
    np.save(folder / "corpus.npy", np.concatenate([queries, others])[: len(documents)])
    for split, part in {"dev": judged[:6], "test": judged[6:]}.items():
        (folder / "qrels" / f"{split}.tsv").write_text("".join(f"{query}\t{doc}\t1\n" for query, doc in part))
    return {"source": "beir", "path": str(folder), "vectors": str(folder)}


def raw(task: Task) -> float:
    return measure_floors(task, "test", ["nDCG@10", "R@1"]).floors["raw"]["all"]["R@1"]


@pytest.mark.parametrize("titles", [False, True])
def test_a_query_that_stands_in_the_corpus_does_not_find_itself(tmp_path: Path, titles: bool) -> None:
    """As in ArguAna: each argument is a document, and its counter-argument the answer."""
    documents = [f"argument {row}" for row in range(COUNT)] + [f"counter {row}" for row in range(COUNT)]
    options = write(tmp_path, documents, [(f"a{row}", f"a{row + COUNT}") for row in range(COUNT)], titles)
    task = tasks.build(options)
    assert task.split("test").own.tolist() == [6, 7, 8, 9, 10, 11]
    assert raw(task) == 1.0
    assert [note for note in task.notes if "themselves" in note] == [
        "12 queries are themselves in the corpus under the query's own id: not counted as found (own_document)"
    ]
    assert raw(tasks.build({**options, "own_document": "keep"})) == 0.0
    assert raw(tasks.build({**options, "own_document": "drop"})) == 1.0


def test_ids_that_merely_coincide_drop_nothing(tmp_path: Path) -> None:
    """Both sides are numbered from 0, and document i answers query i."""
    options = write(
        tmp_path, [f"answer {row}" for row in range(COUNT)], [(f"a{row}", f"a{row}") for row in range(COUNT)]
    )
    task = tasks.build(options)
    assert (task.split("test").own == -1).all()
    assert raw(task) == 1.0
    assert any("12 queries bear the id of a document that is not the query" in note for note in task.notes)
    assert tasks.build({**options, "own_document": "keep"}).fingerprint == task.fingerprint
    with pytest.raises(TaskError, match="own_document = drop leaves no query in dev"):
        tasks.build({**options, "own_document": "drop"})


def test_a_judged_answer_stays_in_ranking_and_ideal(tmp_path: Path) -> None:
    documents = [f"argument {row}" for row in range(COUNT)]
    task = tasks.build(write(tmp_path, documents, [(f"a{row}", f"a{row}") for row in range(COUNT)]))
    assert (task.split("test").own == -1).all()
    assert raw(task) == 1.0
    assert any("judged as an answer to itself: kept" in note for note in task.notes)


def test_drop_takes_the_judgement_too(tmp_path: Path) -> None:
    documents = [f"argument {row}" for row in range(COUNT)] + [f"counter {row}" for row in range(COUNT)]
    judged = [(f"a{row}", f"a{row + COUNT}") for row in range(COUNT)]
    options = write(tmp_path, documents, judged)
    with (tmp_path / "qrels" / "test.tsv").open("a") as file:
        file.write("a6\ta6\t1\na0\ta0\t1\n")  # a0 has no other answer in test
    task = tasks.build({**options, "own_document": "drop"})
    test = task.split("test")
    assert list(test.queries.ids) == [f"a{row}" for row in range(6, 12)]
    assert raw(task) == 1.0
    assert any(
        "judgements of them, left out: 2; queries without another answer, left out: 1" in note for note in task.notes
    )


def test_vectors_decide_where_there_is_no_text(tmp_path: Path) -> None:
    documents = [f"argument {row}" for row in range(COUNT)] + [f"counter {row}" for row in range(COUNT)]
    write(tmp_path, documents, [(f"a{row}", f"a{row + COUNT}") for row in range(COUNT)])
    vectors = np.load(tmp_path / "corpus.npy").astype(np.float16)
    np.save(tmp_path / "corpus.npy", vectors)
    names = {"corpus": "corpus.npy", "corpus_ids": "corpus_ids.json"}
    names |= {"queries": "queries.npy", "queries_ids": "queries_ids.json"}
    names |= {split: f"qrels/{split}.tsv" for split in ("dev", "test")}
    task = tasks.build({"source": "vectors", **{key: str(tmp_path / name) for key, name in names.items()}})
    assert task.split("test").own.tolist() == [6, 7, 8, 9, 10, 11]
    assert raw(task) == 1.0
