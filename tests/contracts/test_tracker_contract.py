"""What holds for every tracker, and what a projector does with one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from nvf import paths
from nvf.journal.events import read
from nvf.journal.folders import SweepFolder
from nvf.journal.kinds import Event
from nvf.tracking.projection import Projection
from nvf.tracking.projector import Projector
from nvf.tracking.tracker import Tracker
from tests.tracking import journals


class Kept:
    """A tracker that keeps what it is told, and fails as often as it is asked to."""

    there: dict[int, Event]

    def __init__(self) -> None:
        self.there, self.pending = {}, dict[int, Event]()
        self.most = self.failing = 0

    def take(self, events: Iterable[Event]) -> None:
        assert not self.pending, "no further ones before those are written"
        self.pending = {event.n: event for event in events}

    def write(self, *, final: bool = False) -> bool:
        self.failing -= 1
        if self.failing >= 0:
            raise ConnectionError("no route to host")
        for n in [*self.pending][: self.most or None]:
            assert n == len(self.there), "each once, in order"
            self.there[n] = self.pending.pop(n)
        return not self.pending

    def link(self) -> str | None:
        return "kept://here" if self.there or self.pending else None


@pytest.fixture
def folder(mlruns: Path) -> Path:
    journals.sweep(paths.sweep(journals.NAME))
    return paths.sweep(journals.NAME)


@pytest.mark.parametrize("connect", [Projection.connect, Kept], ids=["MLflow", "kept"])
class TestTracker:
    def test_there_is_no_link_before_an_event(self, folder: Path, connect: Callable[[], Tracker]) -> None:
        tracker = connect()
        assert tracker.link() is None
        tracker.take(read(folder)[:1])
        assert tracker.write(final=True) and (tracker.link() or "").partition("://")[2]

    def test_parts_become_the_whole(self, folder: Path, connect: Callable[[], Tracker]) -> None:
        tracker, events = connect(), read(folder)
        for start in range(0, len(events), 5):
            tracker.take(events[start : start + 5])
            assert tracker.write()
        assert tracker.write(final=True) and tracker.write(final=True)

    def test_a_projector_brings_it_level(self, folder: Path, connect: Callable[[], Tracker]) -> None:
        projector = Projector(SweepFolder(folder), connect)
        projector.start()
        assert projector.close(timeout=60) == 0
        assert projector.answered() and projector.link() == connected(connect, folder).link()


def connected(connect: Callable[[], Tracker], folder: Path) -> Tracker:
    tracker = connect()
    tracker.take(read(folder))
    return tracker


@pytest.mark.parametrize(("most", "failing"), [(0, 2), (3, 0), (2, 1)])
def test_a_projector_waits_for_a_tracker_that_fails_or_is_slow(folder: Path, most: int, failing: int) -> None:
    kept = Kept()
    kept.most, kept.failing = most, failing
    projector = Projector(SweepFolder(folder), lambda: kept)
    projector.start()
    assert projector.close(timeout=60) == 0
    assert [*kept.there.values()] == read(folder)


def test_what_is_not_written_is_counted(folder: Path) -> None:
    kept = Kept()
    kept.failing = 1_000_000
    projector = Projector(SweepFolder(folder), lambda: kept)
    projector.start()
    assert projector.close(timeout=1) == len(read(folder)) and not kept.there
