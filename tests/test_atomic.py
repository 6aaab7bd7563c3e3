"""What appears whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nvf import atomic

KILLED = """
import os, signal, sys
from pathlib import Path
from nvf import atomic
with atomic.whole(Path(sys.argv[1])) as fresh:
    fresh.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def folder(path: Path, *names: str, instead: bool = False) -> None:
    with atomic.whole(path, instead=instead) as fresh:
        (fresh / "inner").mkdir(parents=True)
        for name in names:
            (fresh / "inner" / name).write_text(name)


def names(path: Path) -> set[str]:
    return {each.name for each in path.iterdir()}


def test_a_file_is_replaced_and_a_folder_is_there_with_all_it_holds(tmp_path: Path) -> None:
    for text in ("one", "other"):
        atomic.write(tmp_path / "new" / "file", text)
        assert (tmp_path / "new" / "file").read_text() == text
    folder(tmp_path / "new" / "folder", "a", "b")
    assert names(tmp_path / "new" / "folder" / "inner") == {"a", "b"} and names(tmp_path / "new") == {"file", "folder"}


def test_everything_is_on_the_disk_before_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, sync = list[str](), os.fsync

    def noted(handle: int) -> None:
        there = "after" if (tmp_path / "folder").exists() else "before"
        synced.append(f"{there} {Path(os.readlink(f'/proc/self/fd/{handle}')).name}")
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    folder(tmp_path / "folder", "a")
    assert sorted(synced) == sorted(["before a", "before inner", "before folder", f"after {tmp_path.name}"])


def test_what_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path / "folder", "a")
    with pytest.raises(ValueError), atomic.whole(tmp_path / "folder", instead=True) as fresh:
        fresh.mkdir()
        raise ValueError

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        folder(tmp_path / "folder", "b", instead=True)
    assert names(tmp_path / "folder" / "inner") == {"a"} and names(tmp_path) == {"folder"}


def test_the_first_of_two_folders_stays_unless_it_is_given_up(tmp_path: Path) -> None:
    folder(tmp_path / "folder", "a")
    with pytest.raises(FileExistsError, match="folder"):
        folder(tmp_path / "folder", "b")
    assert names(tmp_path / "folder" / "inner") == {"a"}
    folder(tmp_path / "folder", "b", instead=True)
    assert names(tmp_path / "folder" / "inner") == {"b"} and names(tmp_path) == {"folder"}


def test_a_process_that_is_killed_leaves_nothing_at_the_place(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "file")], check=False)
    (left,) = names(tmp_path)
    assert left.startswith(".file-")
