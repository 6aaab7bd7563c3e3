from __future__ import annotations

import fcntl
import math
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from nvf.errors import JournalError
from nvf.journal import events
from nvf.journal.events import FILE, Journal, Tail
from nvf.journal.kinds import FORMAT, Event, RecordTaken, SweepPaused
from nvf.training.record import Record
from tests.journal import written
from tests.journal.equal import same


def reasons(found: Iterable[Event]) -> list[str]:
    return [event.reason for event in found if isinstance(event, SweepPaused)]


def write(folder: Path, count: int) -> Path:
    with Journal.create(folder) as journal:
        for place in range(count):
            journal.append(SweepPaused(reason=str(place), error="naïve ☃"))
    return folder / FILE


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(tmp_path, 3)
    with (tmp_path / FILE).open("rb") as file:
        found, length = events.parse(file.read(), tmp_path)
    assert [event.n for event in found] == [0, 1, 2] and reasons(found) == ["0", "1", "2"]
    assert isinstance(found[0], SweepPaused) and found[0].error == "naïve ☃"
    assert length == (tmp_path / FILE).stat().st_size


def test_a_torn_last_line_is_cut_off_and_the_journal_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path, 3)
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    for kept in range(len(last)):
        path.write_bytes(whole[: len(whole) - len(last) + kept])
        journal, found = Journal.open(tmp_path)
        with journal:
            assert len(found) == 2
            journal.append(SweepPaused(reason="new"))
        assert reasons(_events(path)) == ["0", "1", "new"]


def test_damage_is_refused_with_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, 3)
    whole = bytearray(path.read_bytes())
    for at in range(0, len(whole) - 1, 7):
        flipped = bytearray(whole)
        flipped[at] ^= 0x10
        path.write_bytes(flipped)
        with pytest.raises(JournalError, match=rf"{FILE}, line [123] .* damaged"):
            _events(path)


def test_a_line_taken_out_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    with pytest.raises(JournalError, match="line 2"):
        _events(path)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with Journal.create(tmp_path), pytest.raises(JournalError, match="running already"):
        Journal.open(tmp_path)
    Journal.open(tmp_path)[0].close()


def test_a_look_at_the_lock_refuses_no_writer(tmp_path: Path) -> None:
    """`SweepFolder.running` holds it for an instant; here it lasts longer, and ends while the writer waits."""
    path = write(tmp_path, 1)
    with path.open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        over = threading.Timer(0.1, lambda: fcntl.flock(looking, fcntl.LOCK_UN))
        over.start()
        Journal.open(tmp_path)[0].close()
        over.join()


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from nvf.journal.events import Journal\n"
        "from nvf.journal.kinds import SweepEnded\n"
        "journal = Journal.create(Path(sys.argv[1])); journal.append(SweepEnded(reason='trials'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    journal, found = Journal.open(tmp_path)
    journal.close()
    assert [event.kind for event in found] == ["sweep_ended"]


def test_only_what_is_to_wait_for_the_disk_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, sync = list[int](), os.fsync

    def noted(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        sync(handle)

    journal = Journal.create(tmp_path)
    monkeypatch.setattr(os, "fsync", noted)
    journal.append(SweepPaused(reason="0"))
    assert synced == []
    journal.append(SweepPaused(reason="1"), sync=True)
    assert synced == [(tmp_path / FILE).stat().st_ino]
    assert (tmp_path / FILE).read_bytes().rstrip(b"\0").count(b"\n") == 2, "it is written before it is waited for"
    journal.close()
    assert len(synced) == 2, "and all is on the disk once it is closed"


def test_a_journal_is_not_created_over_another(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with pytest.raises(JournalError, match="exists"):
        Journal.create(tmp_path)


def test_the_tail_follows_and_leaves_half_a_line_for_later(tmp_path: Path) -> None:
    path = write(tmp_path, 2)
    tail = Tail(tmp_path)
    assert reasons(tail.new()) == ["0", "1"]
    assert tail.new() == []
    whole = path.read_bytes()
    journal, _ = Journal.open(tmp_path)
    with journal:
        journal.append(SweepPaused(reason="2"))
    grown = path.read_bytes()
    path.write_bytes(grown[: len(whole) + 5])
    assert tail.new() == []
    path.write_bytes(grown)
    assert reasons(tail.new()) == ["2"]


def test_the_tail_reads_lines_longer_than_its_limit(tmp_path: Path) -> None:
    write(tmp_path, 3)
    tail = Tail(tmp_path)
    assert reasons(event for _ in range(4) for event in tail.new(limit=16)) == ["0", "1", "2"]


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    with Journal.create(tmp_path) as journal:
        journal.append(written.event("sweep_started", format=FORMAT + 1))
    with pytest.raises(JournalError, match=f"format {FORMAT + 1}"):
        events.read(tmp_path)


def test_same_leaves_out_the_clock_and_nothing_else() -> None:
    event = {"n": 0, "t": 1.5, "kind": "record", "record": {"clock": {"seconds": 1}, "epoch": 1}, "clock": {"pid": 3}}
    assert same([event]) == [{"n": 0, "kind": "record", "record": {"epoch": 1}}]


def test_a_number_that_is_not_finite_is_null_in_json_and_comes_back(tmp_path: Path) -> None:
    record = Record(epoch=1, losses={"a": math.nan, "b": math.inf}, figures={"all": {"nDCG@10": 0.5}})
    with Journal.create(tmp_path) as journal:
        journal.append(RecordTaken(trial=0, record=record, checkpoint=None, decision="continue", attrs={}))
    assert b'"losses":{"a":null,"b":null}' in (tmp_path / FILE).read_bytes()
    (event,) = events.read(tmp_path)
    assert isinstance(event, RecordTaken) and math.isnan(event.record.losses["a"])
    assert event.record.figures == record.figures


def test_an_event_that_this_nvf_cannot_read_is_refused_with_its_place(tmp_path: Path) -> None:
    body = b'{"n":0,"t":1.5,"kind":"trial_ended","trial":0,"outcome":"vanished","error":null}'
    (tmp_path / FILE).write_bytes(b"%08x %s\n" % (zlib.crc32(body), body))
    with pytest.raises(JournalError, match=rf"{FILE}, line 1 is not as this nvf reads it: trial_ended.outcome: Input"):
        events.read(tmp_path)


def _events(path: Path) -> list[Event]:
    return events.parse(path.read_bytes(), path)[0]
