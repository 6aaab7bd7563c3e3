"""What an older nvf wrote still reads, resumes and answers."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from nvf import tasks
from nvf.journal import events, replay
from nvf.journal.kinds import Event, Journaled
from nvf.plain import adapter, plain
from nvf.registry.retriever import Retriever
from nvf.sweep.conductor import Conductor, Place
from nvf.sweep.study import SearchStudy
from nvf.sweep.worker import Worker
from tests.cli.conftest import nvf
from tests.e2e.conftest import home
from tests.journal import old

__all__ = ["home", "nvf"]

CHOSEN = ("linear", 39, 0.050761)
"""What the sampler draws for trial 7, after the seven that are journaled."""


def test_every_event_is_written_as_it_was_read() -> None:
    path = old.SAMPLE / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    found, _ = events.parse(b"".join(lines), path)
    for line, event in zip(lines, found, strict=True):
        assert adapter(type(event)).dump_python(event, mode="json") == json.loads(line.partition(b" ")[2])
    kinds = {event.kind for event in found}
    assert {"record", "trial_ended", "replicate", "confirmed", "test_run", "promoted"} <= kinds
    assert kinds | OTHERS.keys() == {of.default for kind in get_args(Event) for of in fields(kind) if of.name == "kind"}


OTHERS: dict[str, dict[str, Any]] = {
    "fault": {"trial": 0, "fault": "out_of_memory", "epoch": 2, "detail": "killed", "params": {"batch_size": 32}},
    "trial_paused": {"trial": 0},
    "trial_resumed": {"trial": 0, "epoch": 2},
    "checkpoints_deleted": {"trial": 0},
    "sweep_paused": {"reason": "room", "error": "the disk is full"},
}


@pytest.mark.parametrize("kind", OTHERS)
def test_kinds_that_it_lacks_are_written_as_they_are_read_too(kind: str) -> None:
    line = {"n": 7, "t": 1.5, "kind": kind, **OTHERS[kind]}
    event = adapter(Journaled).validate_python(line)
    assert plain(event) == line and not isinstance(event, dict)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("leaderboard old --json", "leaderboard.json"),
        ("status old --json", "status.json"),
        ("leaderboard old", "leaderboard.txt"),
    ],
)
def test_its_figures_are_printed_as_before(
    nvf: Any, mlruns: Path, monkeypatch: pytest.MonkeyPatch, command: str, expected: str
) -> None:
    old.restore(mlruns)
    monkeypatch.setenv("COLUMNS", "100")
    assert nvf(*command.split()).out == (old.SAMPLE / "expected" / expected).read_text()


def test_what_was_confirmed_is_told_again(nvf: Any, mlruns: Path) -> None:
    old.restore(mlruns)
    told = nvf("confirm", "old", "--top", 2, "--seeds", 2, "--json")
    board = json.loads((old.SAMPLE / "expected" / "leaderboard.json").read_text())
    assert json.loads(told.out) == board["confirmation"] and "test stays closed" in told.err


def test_its_search_goes_on(mlruns: Path) -> None:
    folder = old.restore(mlruns)
    journal, found = events.Journal.open(folder)
    with journal:
        state = replay.replay(found)
        spec = state.spec.model_copy(update={"search": state.spec.search.model_copy(update={"trials": 8})})
        place = Place(tasks.build_snapshot(spec.task), folder / "checkpoints")
        conductor = Conductor(spec, state, journal, SearchStudy(spec, state), place)
        order = conductor.next_order()
        assert order is not None and order.trial == 7
        worker = Worker(order)
        while conductor.on_report(worker.step()):
            pass
        assert conductor.next_order() is None
        conductor.close()
    chosen = state.trials[7].chosen
    assert (chosen["system"], chosen["batch_size"], round(chosen["lr"], 6)) == CHOSEN
    assert state.trials[7].outcome == "pruned" and state.status == "ended"
    assert replay.replay(events.read(folder)) == state


def test_its_champion_answers(tmp_path: Path) -> None:
    folder = old.restore(tmp_path)
    retriever = Retriever.open(folder / "model")
    split = retriever.task.split("dev")
    ranking = retriever.rank(split.queries.select(np.arange(3)), 3)
    assert ranking.rows.tolist() == [[45, 23, 37], [49, 28, 38], [45, 26, 57]]


@pytest.mark.ray
@pytest.mark.slow
def test_the_command_goes_on_with_it(home: Any) -> None:
    old.restore(home.folder / "mlruns")
    code, _, err = home.run("resume", "old", "--trials", 8)
    assert code != 0 and "has changed" in err
    code, out, err = home.run("resume", "old", "--trials", 8, "--accept-changes", "--json")
    assert code == 0, err
    board = json.loads(out)
    before = json.loads((old.SAMPLE / "expected" / "leaderboard.json").read_text())
    rows = [row for row in board["trials"] if row["trial"] != 7]
    assert len(board["trials"]) == 8 and rows == before["trials"]
    assert board["confirmation"] == before["confirmation"]
