"""What there is to say of each system without running one: kind, parameters, bounds.

The classes say it, but to import them takes torch, and so seconds. What they said is kept in the cache under a key of
nvf's own code, and read from there until that changes.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nvf import __version__, atomic, paths
from nvf.diagnostics import BESIDE
from nvf.params import Bounds, bounds
from nvf.plain import adapter
from nvf.systems import SYSTEMS

if TYPE_CHECKING:
    from nvf.systems.base import System


@dataclass(frozen=True, slots=True)
class Entry:
    """One system.

    Attributes
    ----------
    name, summary, source, transfers
        As its class has them.
    kind
        "floor", "ceiling", "closed form" (it learns without epochs) or "trained".
    params
        The bounds of each parameter, by its flattened name.
    diagnoses
        The names of what it may find wrong with itself.
    refusals
        Why it cannot work on a task, by the `nvf.tasks.outline.Kind.key` of those kinds to which it does not apply.
    """

    name: str
    summary: str
    source: str
    kind: str
    transfers: bool
    params: Mapping[str, Bounds]
    diagnoses: tuple[str, ...]
    refusals: Mapping[str, str]


def get(name: str) -> Entry:
    """Return what is to be said of the system called `name`, or raise `UsageError` with the nearest name."""
    if name not in SYSTEMS.own:
        SYSTEMS.find(name)
    return catalogue()[name]


def transferring() -> str:
    """Return the systems that rank another corpus than they were trained on, in one line for a message."""
    return ", ".join(sorted(name for name, entry in catalogue().items() if entry.transfers))


def diagnoses() -> list[str]:
    """Return the name of everything that may be found wrong with a trial, by its system or beside it."""
    return sorted({*BESIDE, *(name for entry in catalogue().values() for name in entry.diagnoses)})


def catalogue() -> Mapping[str, Entry]:
    """Return every system by name: nvf's own from the cache where it has them, then what was loaded besides."""
    own = _own()
    return {**own, **{name: _entry(SYSTEMS[name]) for name in SYSTEMS if name not in own}}


@functools.lru_cache(maxsize=1)
def _own() -> Mapping[str, Entry]:
    kept = paths.cache() / "systems" / f"{_key()}.json"
    with contextlib.suppress(OSError, ValueError):
        return {entry.name: entry for entry in adapter(list[Entry]).validate_json(kept.read_bytes())}
    found = dict(sorted(((name, _entry(SYSTEMS[name])) for name in SYSTEMS if name in SYSTEMS.own), key=_place))
    if paths.mlruns().is_dir():
        with contextlib.suppress(OSError):
            _keep(kept, adapter(list[Entry]).dump_json([*found.values()]))
    return found


def _entry(kind: type[System]) -> Entry:
    searched = "trained" if kind.learns() else "closed form"
    role = searched if kind.role == "searched" else kind.role
    about = kind.name, kind.summary, kind.source, role, kind.transfers
    return Entry(*about, bounds(kind.Params), kind.diagnoses, _refusals(kind))


def _place(named: tuple[str, Entry]) -> int:
    """Return 0 for floors, 1 for ceilings, 2 for what is searched: the order of the list."""
    return {"floor": 0, "ceiling": 1}.get(named[1].kind, 2)


def _refusals(kind: type[System]) -> dict[str, str]:
    from nvf.tasks.outline import Kind, sketch

    every = [Kind(*values) for values in itertools.product((False, True), repeat=len(Kind._fields))]
    answers = {each.key: kind.applies_to(sketch(each)) for each in every}
    return {key: reason for key, reason in answers.items() if reason is not None}


def _keep(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob("*.json"):  # of code that is no longer here
        old.unlink(missing_ok=True)
    atomic.write(path, text)


def _key() -> str:
    digest = hashlib.blake2b(f"{__version__}\x1f{sys.version}".encode(), digest_size=16)
    for path, state in _code():
        digest.update(f"{path}\x1f{state.st_size}\x1f{state.st_mtime_ns}\x1e".encode())
    return digest.hexdigest()


def _code() -> Iterator[tuple[Path, os.stat_result]]:
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        yield path, path.stat()
