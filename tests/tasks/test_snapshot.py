from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nvf import tasks
from nvf.errors import TaskError
from nvf.tasks.base import Task
from nvf.tasks.snapshot import save
from nvf.tasks.strings import Strings, open_strings, write_strings


@pytest.fixture
def task() -> Task:
    return tasks.build(
        {"source": "synthetic", "documents": 300, "dim": 8, "train": 50, "dev": 5, "test": 5, "map": "rotation"}
    )


@pytest.fixture
def folder(task: Task, tmp_path: Path) -> Path:
    return tasks.snapshot(task, tmp_path)


FILES = ["corpus/vectors.npy", "corpus/ids.arrow", "train/rows.npy", "test/clean.npy", "truth/map.npy"]


@pytest.mark.parametrize("name", FILES)
def test_truncated_and_missing_files_are_named(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(TaskError, match=f"{name} is damaged: .* bytes instead of"):
        tasks.open_snapshot(folder)
    path.unlink()
    with pytest.raises(TaskError, match=f"{name} is damaged: missing"):
        tasks.open_snapshot(folder)


@pytest.mark.parametrize("name", FILES)
def test_one_wrong_byte_is_found_when_asked_for(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (folder / name).write_bytes(content)
    with pytest.raises(TaskError, match=f"{name} is damaged: its digest is wrong"):
        tasks.open_snapshot(folder, verify=True)


@pytest.mark.parametrize("name", ["corpus/vectors.npy", "corpus/ids.arrow"])
def test_overwritten_files_are_damaged(folder: Path, name: str) -> None:
    size = (folder / name).stat().st_size
    (folder / name).write_bytes(b"\0" * size)
    with pytest.raises(TaskError, match=f"{name} is damaged"):
        tasks.open_snapshot(folder)


def test_pickles_are_not_opened(folder: Path) -> None:
    path = folder / "test" / "clean.npy"
    np.save(path, np.array([{}], dtype=object))
    manifest = json.loads((folder / "task.json").read_text())
    manifest["files"]["test/clean.npy"]["bytes"] = path.stat().st_size
    (folder / "task.json").write_text(json.dumps(manifest))
    with pytest.raises(TaskError, match=r"test/clean\.npy is damaged"):
        tasks.open_snapshot(folder)


def test_manifest_is_checked(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="is not a task snapshot"):
        tasks.open_snapshot(tmp_path)
    path = folder / "task.json"
    manifest = path.read_text()
    path.write_text(manifest.replace('"format": 1', '"format": 2'))
    with pytest.raises(TaskError, match="has format 2, this nvf reads 1"):
        tasks.open_snapshot(folder)
    path.write_text(manifest[:100])
    with pytest.raises(TaskError, match="task.json is damaged"):
        tasks.open_snapshot(folder)


def test_interrupted_save_leaves_nothing(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space"):
        save(task, tmp_path / "here")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tail", ["-0123", ".0123"])
def test_what_a_killed_writer_left_is_removed(task: Task, folder: Path, tmp_path: Path, tail: str) -> None:
    left_behind = tmp_path / f".{folder.name}{tail}"
    folder.rename(left_behind)
    assert tasks.snapshot(task, tmp_path) == folder
    assert not left_behind.exists()


def test_copies_of_one_data_set_stay_apart(task: Task, tmp_path: Path) -> None:
    first = tasks.snapshot(task, tmp_path)
    again = tasks.snapshot(task, tmp_path)
    other = tasks.snapshot(dataclasses.replace(task, name="other"), tmp_path)
    assert first == again != other
    assert tasks.open_snapshot(other).name == "other"


def test_arrays_are_mapped_and_torch_takes_them(folder: Path, recwarn: pytest.WarningsRecorder) -> None:
    corpus = tasks.open_snapshot(folder).corpus
    assert isinstance(corpus.vectors, np.memmap)
    assert isinstance(corpus.ids, Strings)
    torch.from_numpy(corpus.vectors)[0] = 7.0
    assert not recwarn.list
    assert (tasks.open_snapshot(folder).corpus.vectors[0] != 7.0).all()


def test_strings_behave_like_a_list(tmp_path: Path) -> None:
    texts = ["", "b", "naïve\n\tтекст", "d" * 1000, "b"]
    write_strings(tmp_path / "texts.arrow", texts)
    column = open_strings(tmp_path / "texts.arrow")
    assert column == texts and texts == column
    assert column != texts[:-1] and column != "b"
    assert [column[row] for row in range(5)] == texts
    assert (column[-1], list(column[1:4]), len(column), column.index("b")) == ("b", texts[1:4], 5, 1)
    assert "d" not in column
    with pytest.raises(IndexError):
        column[5]
    write_strings(tmp_path / "none.arrow", [])
    assert list(open_strings(tmp_path / "none.arrow")) == []


USS = """
import sys, psutil
from pathlib import Path
from nvf import tasks
before = psutil.Process().memory_full_info().uss
task = tasks.open_snapshot(Path(sys.argv[1]))
task.corpus.ids[123], task.corpus.texts[123]
print((psutil.Process().memory_full_info().uss - before) / 2**20)
"""


@pytest.mark.slow
def test_half_a_million_documents_cost_next_to_nothing(tmp_path: Path) -> None:
    task = tasks.build({"source": "synthetic", "documents": 500_000, "dim": 384, "train": 10, "dev": 10, "test": 10})
    texts = [f"document {row} of many" for row in range(500_000)]
    folder = tasks.snapshot(dataclasses.replace(task, corpus=dataclasses.replace(task.corpus, texts=texts)), tmp_path)
    result = subprocess.run([sys.executable, "-c", USS, str(folder)], capture_output=True, text=True, check=True)
    assert float(result.stdout) < 60
