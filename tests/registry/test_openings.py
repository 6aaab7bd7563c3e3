from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nvf.journal.events import FILE, Journal, read
from nvf.registry.openings import openings
from tests.journal.written import write
from tests.registry.conftest import SYNTHETIC, confirmed

RunSweep = Callable[..., Path]


def test_who_judged_a_task_besides_has_opened_its_test_too(run_sweep: RunSweep) -> None:
    fingerprint = read(run_sweep(rates=(), epochs=0))[0].task.fingerprint
    folder = run_sweep("elsewhere", {**SYNTHETIC, "seed": 1}, rates=(0.001,), epochs=1)
    confirmed(folder, {0: 0.1})
    assert openings(fingerprint) == []
    journal, _ = Journal.open(folder)
    with journal:
        evaluate = {"tasks": ["x", "y"], "fingerprints": ["x", fingerprint], "floors": {}, "finalists": []}
        opened = write(journal, "test_opened", confirmation=2, times=2, finalists=[0, 3], clock={})
        write(journal, "confirmed", confirmation=2, result={"evaluate": evaluate})
        write(journal, "test_run", trial=0, model="m", version=1, clock={})
    (found,) = openings(fingerprint)
    assert (found.at, found.sweep, found.judged) == (opened.t, "elsewhere", True)
    assert found.what == "confirmation 2, of trials 0000, 0003, which were trained on another task"
    assert [each.judged for each in openings(read(folder)[0].task.fingerprint)] == [True, True, False]


def test_a_damaged_journal_stops_nobody(run_sweep: RunSweep) -> None:
    folder = run_sweep(rates=(0.001,), epochs=1)
    confirmed(folder, {0: 0.1})
    damaged = run_sweep("damaged", rates=(0.001,), epochs=1) / FILE
    damaged.write_bytes(damaged.read_bytes().replace(b"sweep_started", b"sweep_startet"))
    assert [each.sweep for each in openings(read(folder)[0].task.fingerprint)] == ["small"]
