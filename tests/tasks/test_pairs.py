"""Tables as spreadsheets, scripts and data frames write them."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nvf import tasks
from nvf.errors import TaskError
from nvf.tasks.outline import Look

ROWS = [(f'what is "{row}", {row}?', f"It is the number {row},\nand a half.") for row in range(20)]
Table = Sequence[dict[str, Any]]


def table(query: str = "query", text: str = "text", **more: Sequence[Any]) -> Table:
    extra = [dict(zip(more, values, strict=True)) for values in zip(*more.values(), strict=True)] or [{}] * len(ROWS)
    return [{query: asked, text: answer, **rest} for (asked, answer), rest in zip(ROWS, extra, strict=True)]


def write_csv(path: Path, rows: Table, **form: Any) -> None:
    with path.open("w", encoding=form.pop("encoding", "utf-8"), newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), **form)
        writer.writeheader()
        writer.writerows(rows)


def write_jsonl(path: Path, rows: Table) -> None:
    path.write_text("".join(json.dumps(row) + "\n\n" for row in rows))


WRITERS: dict[str, Callable[[Path, Table], None]] = {
    "t.csv": write_csv,
    "quoted.csv": lambda path, rows: write_csv(path, rows, quoting=csv.QUOTE_ALL, encoding="utf-8-sig"),
    "semicolon.csv": lambda path, rows: write_csv(path, rows, delimiter=";"),
    "t.tsv": lambda path, rows: write_csv(path, rows, delimiter="\t"),
    "T.CSV": write_csv,
    "t.jsonl": write_jsonl,
    "t.json": lambda path, rows: path.write_text(json.dumps(rows)),
    "t.csv.gz": lambda path, rows: _zipped(path, rows),
    "t.parquet": lambda path, rows: pq.write_table(pa.Table.from_pylist(list(rows)), path),
}


def _zipped(path: Path, rows: Table) -> None:
    write_csv(path.with_suffix(""), rows)
    path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))


def options(path: Path, **more: Any) -> dict[str, Any]:
    return {"source": "pairs", "path": str(path), "max_length": 16, **more}


def look(path: Path, **more: Any) -> Look:
    return tasks.look(options(path, **more))


@pytest.mark.parametrize("name", WRITERS)
def test_every_form_holds_the_same(tmp_path: Path, name: str) -> None:
    rows = table("Question", "Answer", extra=range(20))
    WRITERS[name](tmp_path / name, rows)
    seen = look(tmp_path / name, columns={"query": "Question", "text": "Answer"})
    assert (seen.documents, dict(seen.queries), dict(seen.carved)) == (20, {"train": 20}, {"dev": 0.1, "test": 0.1})
    assert list(seen.notes) == ["columns that are not read: extra"]


def test_a_task_of_pairs(tmp_path: Path, mlruns: Path) -> None:
    path = tmp_path / "faq.csv"
    write_csv(path, [*table("question", "answer"), {"question": ROWS[0][0], "answer": ROWS[1][1]}])
    with path.open("a") as file:
        file.write("\n,\nonly a question,\n")
    task = tasks.build(options(path, split={"train": 0.5, "dev": 0.25}))
    assert task.name == "pairs/faq"
    assert len(task.corpus) == 20
    assert {name: len(split) for name, split in task.splits.items()} == {"train": 10, "dev": 5, "test": 5}
    texts = {text for split in task.splits.values() for text in split.queries.texts or ()}
    assert texts == {query for query, _ in ROWS}
    assert task.corpus.texts is not None and task.corpus.texts[1] == ROWS[1][1]
    found = {
        text: set(split.qrels.of(row)[0].tolist())
        for split in task.splits.values()
        for row, text in enumerate(split.queries.texts or ())
    }
    assert found == {query: {0, 1} if row == 0 else {row} for row, (query, _) in enumerate(ROWS)}
    assert "columns: query is question, text is answer" in task.notes
    assert "rows without a query or a text, left out: 1" in task.notes


def test_ids_grades_and_splits(tmp_path: Path, mlruns: Path) -> None:
    splits = ["train"] * 14 + ["validation"] * 3 + ["Test"] * 3
    rows = table(
        query_id=[f"{row:03d}" for row in range(20)], text_id=range(20), grade=[1.0] * 19 + [2.0], split=splits
    )
    pq.write_table(pa.Table.from_pylist([*rows, {**rows[-1], "grade": 0.0}]), tmp_path / "t.parquet")
    task = tasks.build(options(tmp_path / "t.parquet"))
    assert {name: len(split) for name, split in task.splits.items()} == {"train": 14, "dev": 3, "test": 3}
    assert list(task.split("test").queries.ids) == ["017", "018", "019"]
    assert task.corpus.ids[-1] == "19"
    assert task.split("test").qrels.grades.tolist() == [1, 1, 2]
    assert "pairs with two grades, of which the higher counts: 1" in task.notes
    assert "20 queries bear the id of a document that is not the query" in "\n".join(task.notes)


def test_test_alone_is_enough_to_measure(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", table(split=["test"] * 20))
    assert dict(look(tmp_path / "t.csv").queries) == {"test": 20}


def test_equal_texts_are_one_document_whatever_their_ids(tmp_path: Path) -> None:
    rows = [*table(text_id=range(20)), {"query": "again?", "text": ROWS[3][1], "text_id": 99}]
    write_csv(tmp_path / "t.csv", rows)
    seen = look(tmp_path / "t.csv")
    assert seen.documents == 20
    assert "rows that give an equal text another id (the first counts): 1" in seen.notes


def test_capitals_of_a_header_do_not_matter_unless_both_are_there(tmp_path: Path) -> None:
    rows = "".join(f"ask {n},say {n},no {n}\n" for n in range(20))
    (tmp_path / "t.csv").write_text("Question,ANSWER,text2\n" + rows)
    assert look(tmp_path / "t.csv").documents == 20
    assert "columns: query is Question, text is ANSWER" in look(tmp_path / "t.csv").notes
    (tmp_path / "u.csv").write_text("Query,text,query\n" + rows)
    assert "columns that are not read: Query" in look(tmp_path / "u.csv").notes


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "t.csv",
            "frage,antwort\na,b\n",
            r"no column named query, question, anchor or q; its columns are frage, antwort",
        ),
        ("t.csv", "query,answers\na,b\n", r"no column named text, .*; its columns are query, answers"),
        (
            "t.csv",
            "id,frage,text\n1,a,b\n",
            r"name one as columns: \{query: NAME\}; the first line must hold the names",
        ),
        ("t.csv", "query,text\na,b\n", r"no dev and test can be carved from 1 training query: at least 3 are needed"),
        ("t.csv", "query,text\na,b\nc,d\n", r"from 2 training queries: at least 3 are needed"),
        ("t.csv", "query,text\na,b,c\n", r"t\.csv:2: 3 fields, but 2 columns"),
        ("t.csv", 'query,text\na,b\n"a" b,c\n', r"t\.csv:3: .*quotes within it are doubled"),
        ("t.csv", "query,query\na,b\n", r"the column 'query' stands twice"),
        ("t.csv", "", r"t\.csv is empty: its first line must name the columns"),
        ("t.csv", "query,text\n,\n", r"t\.csv has no row with both a query and a text"),
        ("t.csv", "query,text,grade\na,b,0.5\n", r"t\.csv:2: the grade '0\.5' is no whole number"),
        ("t.csv", "query,text,split\na,b,holdout\n", r"t\.csv:2: the split 'holdout' is none of train, dev and test"),
        ("t.csv", "query,text,text_id\na,b,1\nc,d,1\n", r"t\.csv:3: the id '1' was given to another text before"),
        ("t.csv", "query,text,grade\na,b,0\n", r"no judgement has a grade above 0"),
        ("t.jsonl", '{"query": ["a"], "text": "b"}\n', r"t\.jsonl:1: query = \['a'\] is no text"),
        ("t.jsonl", '{"query": "a", "text": "b"}\n{"query": \n', r"t\.jsonl:2: not JSON"),
        ("t.json", "[1]", r"t\.json: entry 1 is no object"),
        ("t.parquet", "query", r"t\.parquet is not a Parquet file"),
        ("t.xlsx", "query", r"the name must end in \.csv, \.tsv"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    for refuse in (tasks.look, tasks.build):
        with pytest.raises(TaskError, match=message):
            refuse(options(tmp_path / name))


def test_other_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"t\.csv does not exist: a table with a query and a text per row"):
        look(tmp_path / "t.csv")
    write_csv(tmp_path / "t.csv", table("Question", "Answer"))
    with pytest.raises(TaskError, match=r"no column 'Qestion'; did you mean 'Question'"):
        look(tmp_path / "t.csv", columns={"query": "Qestion", "text": "Answer"})
    with pytest.raises(TaskError, match="the column 'Answer' is named for two things"):
        look(tmp_path / "t.csv", columns={"query": "Answer", "text": "Answer"})
    (tmp_path / "latin.csv").write_bytes("query,text\nwas,für\n".encode("latin-1"))
    with pytest.raises(TaskError, match=r"latin\.csv: not UTF-8 text .*save it as UTF-8"):
        look(tmp_path / "latin.csv")
