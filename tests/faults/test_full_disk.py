"""A disk that fills up in the middle of a sweep: a small tmpfs, mounted for real."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nvf.errors import JournalError
from nvf.journal import events
from nvf.journal.events import Journal
from nvf.journal.kinds import SweepPaused
from tests.e2e.home import Home
from tests.faults import equal
from tests.faults.long import LONG, lines

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.timeout(600)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """Leave no room; returns the file to delete."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    return path


def test_a_full_disk_in_the_middle(disk: Path, undisturbed: Home) -> None:
    home = Home(disk)
    process = home.start("sweep", home.spec(**LONG))
    while lines(home) < 40:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    filler = fill(disk)
    home.wait(process, "small", lambda state: any(trial.faults for trial in state.trials.values()))
    home.wait(process, "small", lambda state: state.finished > 14)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    state = home.state("small")
    kinds = {each.fault for trial in state.trials.values() for each in trial.faults}
    assert kinds == {"disk_full"}
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "disk full" in home.run("leaderboard", "small")[1]

    filler.unlink()
    assert home.run("status", "small")[0] == 0
    code, _, err = home.run("resume", "small")
    assert code == 0, err
    code, _, err = home.run("sync", "small")
    assert code == 0, err
    _without_digests(home, undisturbed)


def _without_digests(home: Home, undisturbed: Home) -> None:
    """All is the same but for the checkpoints that were never published."""

    def story(which: Home) -> list[dict[str, object]]:
        return [{**trial, "digests": None} for trial in equal.story(which.sweep("small"))]

    assert story(home) == story(undisturbed)
    assert equal.board(home.sweep("small")) == equal.board(undisturbed.sweep("small"))
    assert equal.study(home.sweep("small")) == equal.study(undisturbed.sweep("small"))
    assert equal.runs(home.database, "small") == equal.runs(undisturbed.database, "small")


def test_a_journal_outlives_a_full_disk(disk: Path) -> None:
    folder = disk / "sweep"
    with Journal.create(folder) as journal:
        journal.append(SweepPaused(reason="0"))
        filler = fill(disk)
        written = 0
        with pytest.raises(JournalError, match="make room, then go on with nvf resume sweep"):
            while True:
                written += 1
                journal.append(SweepPaused(reason=str(written), error="x" * 1000))
        assert written > 500, "the room that was set aside took so many"
        assert len(events.read(folder)) == written, "what was told as written is there, and nothing torn"
        filler.unlink()
        journal.append(SweepPaused(reason=str(written)), sync=True)
    assert [event.reason for event in events.read(folder)] == [str(number) for number in range(written + 1)]
