"""A confirmation that would find nothing new opens nothing: what was found is told again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nvf.cli import app
from nvf.journal.events import Journal, read
from nvf.journal.replay import replay
from nvf.registry import confirm as rooms
from nvf.registry.confirm import confirm
from tests.journal.written import write
from tests.registry.conftest import confirmed, raw

RunSweep = Callable[..., Path]


class Began(Exception):
    """Something is opened: the confirmation is a new one."""


@pytest.fixture
def folder(run_sweep: RunSweep, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep of two trials, both confirmed over 3 seeds."""

    def began(*_: Any) -> None:
        raise Began

    found = run_sweep(epochs=1)
    confirmed(found, {0: 0.2, 1: 0.1})
    monkeypatch.setattr(rooms, "snapshot_of", began)
    return found


@pytest.mark.parametrize("asked", [{}, {"top": 2}, {"trials": [1, 0]}, {"model": "small"}])
def test_nothing_new_is_said_and_nothing_is_opened(folder: Path, said: list[str], asked: dict[str, Any]) -> None:
    before = read(folder)
    assert confirm("small", seeds=3, **asked) == before[-1].result
    assert read(folder) == before
    assert said[0].startswith("confirmed 20") and "UTC: trials 0000, 0001, 3 seeds; test stays closed" in said[0]
    assert said[1:] == ["once more, with the same options: nvf confirm small --again"]


@pytest.mark.parametrize(
    "asked", [{"seeds": 2}, {"top": 1}, {"trials": [0]}, {"model": "other"}, {"again": True}], ids=str
)
def test_what_is_asked_otherwise_is_confirmed(folder: Path, asked: dict[str, Any]) -> None:
    with pytest.raises(Began):
        confirm("small", **{"seeds": 3, **asked})


def test_a_finalist_that_came_since_is_confirmed(folder: Path) -> None:
    journal, events = Journal.open(folder)
    best = [each for each in events if each.kind == "record"][-1]
    with journal:
        names = {"system": "linear", "params": {}, "chosen": {}, "distributions": {}, "seed": 2, "epochs": 1}
        write(journal, "trial_started", trial=2, **names)
        record = replace(best.record, figures={"all": {"nDCG@10": 1.0, "R@5": 1.0}})
        write(journal, "record", trial=2, record=record, checkpoint=None, decision="complete", attrs={})
    with pytest.raises(Began):
        confirm("small", seeds=3)


def test_one_whose_checkpoint_is_gone_is_confirmed(folder: Path) -> None:
    shutil.rmtree(folder / "checkpoints" / "trial-0001")
    with pytest.raises(Began):
        confirm("small", seeds=3)


def test_an_earlier_confirmation_counts_and_the_last_is_named(folder: Path, said: list[str]) -> None:
    confirmed(folder, {1: 0.1})
    assert len(confirm("small", seeds=3).finalists) == 2
    assert said[1] == "nvf promote asks the last confirmation: of trials 0001 over 3 seeds"


def test_one_that_was_begun_again_goes_on(folder: Path) -> None:
    journal, _ = Journal.open(folder)
    with journal:
        write(journal, "confirmation_started", confirmation=2, finalists=[1, 0], seeds=3, clock={})
    with pytest.raises(Began):
        confirm("small", seeds=3)
    assert len(replay(read(folder)).confirmations) == 2


def test_it_is_read_again_as_it_was_printed(folder: Path) -> None:
    printed = CliRunner().invoke(app, ["confirm", "small", "--seeds", "3", "--json"])
    board = CliRunner().invoke(app, ["leaderboard", "small", "--json"])
    assert printed.exit_code == board.exit_code == 0, printed.output + board.output
    stored = raw(folder)[-1]["result"]
    assert json.loads(printed.stdout) == json.loads(board.stdout)["confirmation"] == stored
    assert [step["command"] for step in json.loads(board.stdout)["next"]["steps"]][0] == "nvf promote small"
