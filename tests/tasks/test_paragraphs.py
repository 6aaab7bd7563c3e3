from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvf import tasks
from nvf.errors import TaskError
from nvf.tasks.embedding_cache import embed
from nvf.tasks.paragraphs import find_documents

Options = dict[str, Any]
SPLITS = {"train": ("nvf_q_a",), "dev": ("nvf_q_b",), "test": ("nvf_q_c",)}
SHARED = "Every docstring of every package repeats this paragraph."


def docstring(package: str, name: str, count: int) -> str:
    """A function whose docstring has a heading, `count` paragraphs of its own and one that all have."""
    own = [f"{package} says this about {name} in its paragraph number {place}." for place in range(count)]
    body = "\n\n".join(f"    {part}" for part in ("Notes\n    -----", *own, SHARED))
    return f'def {name}():\n    """\n{body}\n    """\n'


@pytest.fixture
def options(tmp_path: Path, mlruns: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    monkeypatch.syspath_prepend(tmp_path)
    for (package,) in SPLITS.values():
        lengths = {"lists": 6, "heaps": 4, "trees": 3}
        content = "".join(docstring(package, name, count) for name, count in lengths.items())
        (tmp_path / f"{package}.py").write_text(content)
    given = {split: list(packages) for split, packages in SPLITS.items()}
    return {"source": "paragraphs", **given, "context": 3, "max_length": 16}


def test_what_is_new_and_long_enough_is_kept_in_order(options: Options) -> None:
    found = find_documents(SPLITS, context=3)
    # the shared paragraph counts once, in the first docstring that has it
    assert {name: len(texts) for name, texts in found["train"].items()} == {"nvf_q_a.lists": 7, "nvf_q_a.heaps": 4}
    assert {name: len(texts) for name, texts in found["dev"].items()} == {"nvf_q_b.lists": 6, "nvf_q_b.heaps": 4}
    assert found["train"]["nvf_q_a.lists"][-1] == SHARED
    assert found["test"]["nvf_q_c.heaps"] == [
        f"nvf_q_c says this about heaps in its paragraph number {place}." for place in range(4)
    ]


def test_windows_ask_for_the_next_paragraph(options: Options) -> None:
    task = tasks.build(options)
    assert {name: len(split) for name, split in task.splits.items()} == {"train": 5, "dev": 4, "test": 4}
    assert task.corpus.texts is not None and len(task.corpus) == 11 + 10 + 10
    np.testing.assert_array_equal(task.corpus.vectors, embed(task.corpus.texts, "minilm", 16))
    for name, split in task.splits.items():
        for row, asked in enumerate(split.queries.ids):
            (answer,), (grade,) = split.qrels.of(row)
            document, _, place = task.corpus.ids[answer].rpartition(":")
            assert asked == f"before {document}:{place}" and grade == 1
            assert document.startswith(SPLITS[name][0])
            np.testing.assert_array_equal(split.queries.vectors[row], task.corpus.vectors[answer - 3 : answer])
    assert [row.shared for row in task.leaks] == [0, 0, 0]


def test_the_limit_draws_whole_documents(options: Options) -> None:
    whole, part = tasks.build(options), tasks.build({**options, "limit": 26})
    assert len(part.corpus) <= 26 and set(part.corpus.ids) < set(whole.corpus.ids)
    ends = {name.rpartition(":")[0] for name in part.corpus.ids}
    assert len(part.corpus) == sum(name.rpartition(":")[0] in ends for name in whole.corpus.ids)


def test_bad_options_are_named(options: Options) -> None:
    with pytest.raises(TaskError, match="package 'nvf_q_a' has no docstring of 10 paragraphs: give a shorter context"):
        tasks.build({**options, "context": 9})
    with pytest.raises(TaskError, match="package 'nvf_q_a' stands in train and in dev"):
        tasks.build({**options, "dev": ["nvf_q_a"]})
    with pytest.raises(TaskError, match="package 'nvf_none' is not installed"):
        tasks.build({**options, "dev": ["nvf_none"]})
