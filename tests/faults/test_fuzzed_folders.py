"""Whatever a BEIR folder holds: it loads, or file and line are named; harmless defects do no harm."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from nvf import tasks
from nvf.errors import NvfError
from nvf.tasks.base import Task
from nvf.tasks.files import LONGEST
from nvf.training.floors import measure_floors
from tests.faults.fuzzing import counts, holds

Draw = Callable[[st.SearchStrategy[Any]], Any]
Files = dict[str, bytes | None]
"""Contents by name; None is a folder where a file should be."""

HEADER = "query-id\tcorpus-id\tscore\n"
DOCUMENTS, QUERIES, WIDTH = 6, 10, 4


def jsonl(*rows: dict[str, Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


CLEAN: Files = {
    "corpus.jsonl": jsonl(*({"_id": f"d{row}", "title": "A", "text": f"text {row}"} for row in range(DOCUMENTS))),
    "queries.jsonl": jsonl(*({"_id": f"q{row}", "text": f"question {row}"} for row in range(QUERIES))),
    "qrels/train.tsv": (HEADER + "".join(f"q{row}\td{row % DOCUMENTS}\t1\n" for row in range(6))).encode(),
    "qrels/dev.tsv": (HEADER + "q6\td0\t1\nq7\td1\t2\n").encode(),
    "qrels/test.tsv": (HEADER + "q8\td0\t2\nq8\td1\t1\nq9\td2\t1\n").encode(),
}
JUNK = st.one_of(
    st.sampled_from(
        [None, True, 0, -1, 1.5, "", " ", "d0", "q0", "d99", "\ud800", "a\tb", "a\nb", [], {}, 10**30, "\u2028"]
    ),
    st.text(max_size=8),
    st.integers(),
    st.floats(),
)
FIELD = st.sampled_from(
    ["", "d99", "q99", "q0", "d0", "1.5", "nan", "good", "-1", "0", "٣", "9" * 19, "9" * 5_000, "\0", " q1 "]
)
RAW = st.binary(max_size=6) | st.sampled_from(
    [b"\0", b"\t", b"\r", b"\n", b"\xff", b"\xef\xbb\xbf", b'"', b"}", b"[" * 2_000]
)


@st.composite
def damaged(draw: Draw) -> Files:
    """A small folder in whose files a few things were changed."""
    folder = dict(CLEAN)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(folder)))
        content = folder[name]
        if content is not None:
            folder[name] = draw(whole(content) if draw(st.integers(0, 4)) == 0 else one_line(name, content))
    return {name: content for name, content in folder.items() if content != b"removed"}


def whole(content: bytes) -> st.SearchStrategy[bytes | None]:
    """Something done to a whole file."""
    text = content.decode("utf-8", "replace")
    cut = st.integers(0, len(content)).map(lambda at: content[:at])
    made = [
        b"",
        None,
        b"removed",
        gzip.compress(content),
        text.encode("utf-16"),
        content * 2,
        content.replace(b"\n", b"\r"),
    ]
    return cut | st.sampled_from(made) | st.binary(max_size=80)


@st.composite
def one_line(draw: Draw, name: str, content: bytes) -> bytes:
    """Something done to one line of a file."""
    lines = content.splitlines(keepends=True) or [b""]
    at = draw(st.integers(0, len(lines) - 1))
    line = lines[at]
    cut = draw(st.integers(0, len(line)))
    made = [b"", line * 2, line[:cut], line[:cut] + draw(RAW) + line[cut:]]
    if name.endswith(".jsonl"):
        keys = st.sampled_from(["_id", "title", "text", "more"])
        made += [jsonl(draw(st.dictionaries(keys, JUNK))), json.dumps(draw(JUNK)).encode() + b"\n"]
    else:
        fields = [*line.rstrip(b"\n").split(b"\t")]
        fields[draw(st.integers(0, len(fields) - 1))] = draw(FIELD).encode()
        made += [b"\t".join(fields) + b"\n"] * 2
    lines[at] = draw(st.sampled_from(made))
    return b"".join(lines)


def lay_out(folder: Path, contents: Files) -> Path:
    """Write a BEIR folder with stored vectors of the clean one's ids."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "qrels").mkdir(parents=True)
    for name, content in contents.items():
        if content is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(content)
    dice = np.random.default_rng(0)
    for name, letter, count in (("corpus", "d", DOCUMENTS), ("queries", "q", QUERIES)):
        np.save(folder / f"{name}.npy", dice.standard_normal((count, WIDTH)).astype(np.float32))
        (folder / f"{name}_ids.json").write_text(json.dumps([f"{letter}{row}" for row in range(count)]))
    return folder


def build(folder: Path) -> Task:
    return tasks.build({"source": "beir", "path": str(folder), "vectors": str(folder)})


def judge(folder: Path, contents: Files) -> str:
    """Return what is said of the folder, or an empty text where it is a task, which then is stored and measured."""
    lay_out(folder, contents)
    try:
        task = build(folder)
    except NvfError as error:
        said = str(error)
        assert error.exit_code == 2
        assert re.search(rf"{re.escape(str(folder))}/[\w./]+(:\d+)?:? .+", said) or said.startswith("task beir/"), said
        assert len(said) < 1_000, said
        return said
    root = folder.with_name("snapshots")
    assert tasks.open_snapshot(tasks.snapshot(task, root), verify=True).fingerprint == task.fingerprint
    shutil.rmtree(root)
    floors = measure_floors(task, "dev", ["nDCG@10"])
    assert all(0 <= views["all"]["nDCG@10"] <= 1 for views in floors.floors.values()), floors.floors
    return ""


@counts
def test_only_clean_errors(tmp_path: Path, count: int) -> None:
    holds(lambda contents: judge(tmp_path / "tiny", contents), damaged(), count)


HARMLESS: dict[str, Callable[[str, bytes], bytes]] = {
    "CRLF": lambda name, content: content.replace(b"\n", b"\r\n"),
    "a byte-order mark": lambda name, content: b"\xef\xbb\xbf" + content,
    "no last line end": lambda name, content: content.rstrip(b"\n"),
    "blank lines": lambda name, content: content.replace(b"\n", b"\n  \n\n"),
    "no header": lambda name, content: content.removeprefix(HEADER.encode()),
    "a header of its own": lambda name, content: content.replace(b"corpus-id\tscore", b"doc\trelevance"),
    "judgements said twice": lambda name, content: (
        content + content.removeprefix(HEADER.encode()) if name.startswith("qrels") else content
    ),
    "blanks around fields": lambda name, content: (
        content.replace(b"\t", b" \t ") if name.startswith("qrels") else content
    ),
    "further keys": lambda name, content: content.replace(b"{", b'{"url": [1, {}], '),
    "keys in another order": lambda name, content: (
        b"".join(jsonl(dict(reversed(json.loads(line).items()))) for line in content.splitlines())
        if name.endswith("jsonl")
        else content
    ),
    "characters escaped": lambda name, content: content.replace(b"text ", b"\\u0074ext ").replace(
        b"question", b"\\u0071uestion"
    ),
}


@pytest.mark.parametrize("defect", HARMLESS)
def test_harmless_defects_change_nothing(tmp_path: Path, defect: str) -> None:
    whole = build(lay_out(tmp_path / "tiny", CLEAN))
    changed = {name: HARMLESS[defect](name, content) for name, content in CLEAN.items() if content is not None}
    assert changed != CLEAN
    assert build(lay_out(tmp_path / "tiny", changed)).fingerprint == whole.fingerprint


HOSTILE: dict[str, tuple[str, bytes | None, str]] = {
    "a grade of 19 digits": ("qrels/dev.tsv", b"q6\td0\t" + b"9" * 19, r"dev\.tsv:1: the grade"),
    "a grade of 5,000 digits": ("qrels/dev.tsv", b"q6\td0\t" + b"9" * 5_000, r"dev\.tsv:1: expected"),
    "a fraction in the first line": ("qrels/dev.tsv", b"q6\td0\t0.5\nq7\td1\t1\n", r"dev\.tsv:1: expected"),
    "a folder": ("qrels/dev.tsv", None, r"dev\.tsv is not a file"),
    "deep nesting": ("corpus.jsonl", b'{"_id": ' + b"[" * 100_000, r"corpus\.jsonl:1: not JSON"),
    "a number of 5,000 digits": ("corpus.jsonl", b'{"_id": ' + b"9" * 5_000, r"corpus\.jsonl:1: not JSON"),
    "an id that is true": ("corpus.jsonl", b'{"_id": true, "text": "a"}', r"corpus\.jsonl:1: expected"),
    "an id that is empty": ("corpus.jsonl", b'{"_id": "", "text": "a"}', r"corpus\.jsonl:1: the id is empty"),
    "a compressed file": ("corpus.jsonl", gzip.compress(b"{}"), r"corpus\.jsonl:1: not UTF-8"),
    "UTF-16": ("queries.jsonl", '{"_id": "q0", "text": "a"}'.encode("utf-16"), r"queries\.jsonl:1: not UTF-8"),
    "Latin-1 in the third line": ("qrels/test.tsv", b"q8\td0\t1\nq8\td1\t1\n\xe9\td1\t1\n", r"test\.tsv:3: not UTF-8"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_named(tmp_path: Path, what: str) -> None:
    name, content, message = HOSTILE[what]
    assert re.search(message, judge(tmp_path / "tiny", {**CLEAN, name: content}))


def test_a_line_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "tiny", CLEAN)
    os.truncate(folder / "corpus.jsonl", 64 * LONGEST)  # a hole: it takes no room
    with pytest.raises(NvfError, match=rf"corpus\.jsonl:{DOCUMENTS + 1}: longer than"):
        build(folder)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("corpus.jsonl", "qrels/train.tsv"):
        folder = lay_out(tmp_path / "tiny", {other: content for other, content in CLEAN.items() if other != name})
        os.mkfifo(folder / name)
        with pytest.raises(NvfError, match=f"{name} is not a file"):
            build(folder)
