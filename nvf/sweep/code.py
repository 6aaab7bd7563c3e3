"""The sources that a sweep's figures depend on, by their hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import nvf
from nvf.plugins import files, imported

ROOMS = ("diagnostics", "losses", "measures", "systems", "topk", "training")
"""Hashed whole, since systems are imported by name. Journals of older versions know only these."""
BESIDES = ("training/export.py",)
"""Takes a trained system elsewhere."""
MAKERS = ("sweep/conductor.py", "sweep/worker.py")
"""What draws settings and ends trials, and what trains and measures them."""


def code() -> dict[str, str]:
    """Return the sources of rooms, makers, and everything that these import: path within nvf -> 12 digits of sha256."""
    root = Path(nvf.__file__).parent
    left = [path for room in ROOMS for path in (root / room).glob("*.py")] + [root / each for each in MAKERS]
    left = [path for path in left if path.relative_to(root).as_posix() not in BESIDES]
    sources: dict[Path, bytes] = {}
    while left:
        path = left.pop()
        if path not in sources:
            sources[path] = path.read_bytes()
            if path != root / "__init__.py":  # which gives the Python API by name, and imports it only then
                left += [file for name in imported(sources[path]) for file in _files(root, name)]
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(sources[path]).hexdigest()[:12] for path in sorted(sources)
    }


def of_package(module: str) -> dict[str, str]:
    """Return the sources of the package of an imported module: path, from its own name on -> 12 digits of sha256."""
    return {name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for name, path in sorted(files(module).items())}


def _files(root: Path, name: str) -> Iterator[Path]:
    """Yield the files that importing `name` runs, packages first; none where it is not of nvf."""
    first, *parts = name.split(".")
    if first == root.name:
        for count in range(len(parts) + 1):
            place = root.joinpath(*parts[:count])
            yield from (path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file())
