"""Judgements as people write them: BEIR's three columns, TREC's four, and what a data frame makes of either."""

from __future__ import annotations

from pathlib import Path

import pytest

from nvf.errors import TaskError
from nvf.tasks.qrels import read_qrels

RIGHT = [("q1", "d1", 1), ("q1", "d2", 0), ("q2", "d1", 2)]


@pytest.mark.parametrize(
    "content",
    [
        "q1\td1\t1\nq1\td2\t0\nq2\td1\t2\n",
        "query-id\tcorpus-id\tscore\r\nq1\td1\t1\r\nq1\td2\t0\r\nq2\td1\t2\r\n",
        "q1 0 d1 1\nq1 0 d2 0\nq2 0 d1 2\n",
        "q1\t0\td1\t1\nq1\t0\td2\t0\n\nq2\t0\td1\t2",
        "q1 Q0  d1   1\nq1 Q0  d2   0\nq2 Q0  d1   2\n",
        "TOPIC ITERATION DOCUMENT# RELEVANCY\nq1 0 d1 1\nq1 0 d2 0\nq2 0 d1 2\n",
        "qid\titer\tdocno\trel\nq1\t0\td1\t1\nq1\t0\td2\t0\nq2\t0\td1\t2\n",
        "q1 d1 1\nq1 d2 0\nq2 d1 2\n",
        "query,document,grade\nq1,d1,1\nq1,d2,0\nq2,d1,2\n",
        '"q1","d1","1"\n"q1","d2","0"\n"q2","d1","2"\n',
        "query-id\tcorpus-id\tscore\nq1\td1\t1.0\nq1\td2\t0.0\nq2\td1\t2.0\n",
        "\ufeffq1\td1\t1\nq1\td2\t0\nq2\td1\t2\n",
        "q1\td1\t1\nq1\td1\t1\nq1\td2\t0\nq2\td1\t2\n",
    ],
)
def test_forms_of_judgements(tmp_path: Path, content: str) -> None:
    path = tmp_path / "test.tsv"
    path.write_bytes(content.encode())
    assert read_qrels(path) == RIGHT


def test_tabs_leave_blanks_to_the_ids(tmp_path: Path) -> None:
    path = tmp_path / "test.tsv"
    path.write_text("my query\tmy document\t1\n")
    assert read_qrels(path) == [("my query", "my document", 1)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("q1\td1\t1\nq1 0 d2 1\n", r"test\.tsv:2: expected query-id.* between tabs: 'q1 0 d2 1'"),
        ("q1 0 d1 1\nq1 0 d2\n", r"test\.tsv:2: expected .* between blanks: 'q1 0 d2'"),
        ("q1 0 d1 1\nquery iter doc rel\n", r"test\.tsv:2: expected"),
        ("q1\td1\t0.5\n", r"test\.tsv:1: expected"),
        ("q1 Q0 d1 1 12.5 bm25\nq1 Q0 d2 2 11.5 bm25\n", r"test\.tsv:1: expected"),
        ("q1\td1\n", r"test\.tsv:1: expected"),
        ("one\ntwo\n", r"test\.tsv:1: expected"),
        ("query-id\tcorpus-id\tscore\n", r"test\.tsv holds no judgements"),
        ("", r"test\.tsv holds no judgements"),
        ("q1\td1\t1\nq1\td1\t2\n", r"test\.tsv:2: 'q1' and 'd1' were judged before, with another grade"),
    ],
)
def test_other_forms_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "test.tsv"
    path.write_text(content)
    with pytest.raises(TaskError, match=message):
        read_qrels(path)
