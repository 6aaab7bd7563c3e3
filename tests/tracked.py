"""The files of the repository, as git tracks them: a user's own file in the clone is none of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def repository() -> list[Path] | None:
    """Return the tracked files that are there, seen from `ROOT`; None where git does not know, as in an archive."""
    if not (ROOT / ".git").exists():  # where it lies in somebody else's repository, git would answer for that one
        return None
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):  # no git on this machine, or it does not trust the folder
        return None
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


def below(folder: str, suffix: str = "") -> list[Path]:
    """Return the paths of the tracked files below a folder, sorted; of all that lie there where git does not know."""
    files = repository()
    if files is None:
        there = [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()]
        files = [path for path in there if "__pycache__" not in path.parts]
    return sorted(ROOT / path for path in files if path.is_relative_to(folder) and path.name.endswith(suffix))
