"""How many files run code of ours from a command to what it is for: who follows the way reads no more than these.

A file counts where a function or method of it runs, in any thread; lambdas and comprehensions are functions, and what
runs while a module is imported is none. Whoever makes a way longer says so here.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from typer.testing import CliRunner

import nvf
from nvf.cli import app
from nvf.journal import events
from nvf.journal.folders import SweepFolder
from nvf.registry import alias
from nvf.tracking.sync import sync
from tests.registry.conftest import SYNTHETIC, confirmed, empty_database, isolated, own_tracking, sweep

__all__ = ["empty_database", "isolated", "own_tracking"]

PROMOTION = 57
ROOT = f"{Path(nvf.__file__).parent}/"
FUNCTION = 0x1
"""The flag of code that is a function's, and no module's or class's."""


class Trip:
    """The files whose functions run, until it is done."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.done = False

    def ends(self, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, last: Callable[[Any], bool]) -> None:
        """Be done when the function returns what is `last`."""
        function = getattr(where, name)

        def called(*arguments: Any, **options: Any) -> Any:
            found = function(*arguments, **options)
            self.done |= last(found)
            return found

        monkeypatch.setattr(where, name, called)

    @contextmanager
    def followed(self) -> Iterator[None]:
        threading.setprofile(self._look)
        sys.setprofile(self._look)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]

    def _look(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or self.done or not code.co_filename.startswith(ROOT) or not code.co_flags & FUNCTION:
            return
        file = code.co_filename.removeprefix(ROOT)
        if file not in self.files and not _importing(frame):
            self.files.add(file)

    def __str__(self) -> str:
        return f"{len(self.files)} files: {' '.join(sorted(self.files))}"


def _importing(frame: FrameType | None) -> bool:
    while frame is not None and not (frame.f_code.co_name == "<module>" and frame.f_code.co_filename.startswith(ROOT)):
        frame = frame.f_back
    return frame is not None


def test_from_promote_to_the_moved_alias(mlruns: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep is in MLflow, as its driver leaves it; its journal is read once, also until the end."""
    folder = sweep("small", SYNTHETIC, (0.02,), epochs=1, cold=0.2)
    confirmed(folder, {0: 0.2})
    sync(SweepFolder(folder))
    before, read = events.read(folder), []
    parse, trip = events.parse, Trip()

    def counted(raw: bytes, path: Path, first: int = 0) -> Any:
        found = parse(raw, path, first)
        read.extend(event.n for event in found[0])
        return found

    monkeypatch.setattr(events, "parse", counted)
    trip.ends(monkeypatch, alias, "settle", lambda _: True)
    with trip.followed():
        ran = CliRunner().invoke(app, ["promote", "small"])
    assert ran.exit_code == 0 and trip.done, ran.output
    assert len(trip.files) <= PROMOTION, trip
    assert {"registry/promote.py", "registry/gates.py", "registry/alias.py", "journal/events.py"} <= trip.files
    assert read == [*range(len(before) + 1)], "the last is the promotion, which MLflow is told of"
