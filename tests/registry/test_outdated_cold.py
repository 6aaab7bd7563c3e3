"""A sweep that an older nvf journaled has cold figures by another rule: said wherever they are shown, never judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from nvf.cli import app, render
from nvf.errors import GateRefused
from nvf.journal import cold, events
from nvf.journal.events import Journal
from nvf.journal.folders import SweepFolder
from nvf.journal.replay import SweepState, TrialState, replay
from nvf.registry import confirm as rooms
from nvf.registry.confirm import confirm
from nvf.registry.promote import promote
from nvf.registry.report import ending, report
from nvf.registry.shown import show
from nvf.sweep.beside import beside
from nvf.tracking.note import markdown
from nvf.training.record import Record
from tests.journal.written import confirmation, event, write
from tests.registry.conftest import confirmed, rewrite

RunSweep = Callable[..., Path]
AGAIN = cold.again("small")


def older(event: dict[str, Any]) -> None:
    """Leave out of an event what an older nvf did not write."""
    event.pop("cold_by", None)
    if event["kind"] == "confirmed":
        del event["result"]["cold_by"], event["result"]["pairwise"]


@pytest.fixture
def folder(run_sweep: RunSweep) -> Path:
    """An older sweep of two trials, both confirmed over 3 seeds."""
    folder = run_sweep(epochs=1)
    confirmed(folder, {0: 0.2, 1: 0.1})
    rewrite(folder, older)
    return folder


def test_the_leaderboard_says_so_before_its_figures(folder: Path) -> None:
    found = report(SweepFolder.find("small"))
    told = [str(part) for part in render.leaderboard(found.board, 80)]
    assert f"warning: {AGAIN}" in told[: next(at for at, line in enumerate(told) if line.startswith("0"))]
    assert ending(found) == [cold.SAID, "confirm  nvf confirm small"]
    assert f"warning: {AGAIN}" in markdown(found.board)


def test_the_cold_gate_names_the_way_out(folder: Path) -> None:
    with pytest.raises(GateRefused, match=f"cold +refused +{AGAIN}"):
        promote("small")


def test_a_version_carries_it_on_its_card(folder: Path) -> None:
    done = promote("small", force="a demo")
    assert AGAIN in done.cautions
    card = show("small").card
    assert f"- {AGAIN}" in card and f"0.5000 on test; {AGAIN}." in card and "against the raw vectors" not in card


def test_what_was_never_confirmed_carries_it_too(run_sweep: RunSweep) -> None:
    rewrite(run_sweep(), older)
    assert AGAIN in promote("small", alias="candidate").cautions
    run_sweep("new")
    assert not any("cold figures" in each for each in promote("new", alias="candidate").cautions)


def test_confirming_again_is_the_way_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Began(Exception):
        pass

    def began(*_: Any) -> None:
        raise Began

    monkeypatch.setattr(rooms, "snapshot_of", began)
    with pytest.raises(Began):
        confirm("small", seeds=3)
    confirmed(folder, {0: 0.2, 1: 0.1})
    assert promote("small").gates[1].outcome == "passes"


def test_trainings_of_an_older_confirmation_are_not_gone_on_with(folder: Path) -> None:
    journal, _ = Journal.open(folder)
    with journal:
        begun = {"confirmation": 2, "finalists": [0], "seeds": 3}
        write(journal, "confirmation_started", **begun, clock={})
        part = {"trial": 0, "place": 0, "withheld": True, "seed": 1, "cold_seed": 1}
        there = {"folder": "checkpoints", "digest": "d"}
        write(journal, "replicate", confirmation=2, part=part, record={}, checkpoint=there, error=None)
        state = replay(events.read(folder))
        bench: Any = SimpleNamespace(sweep=SweepFolder(folder), state=state, model="small")
        newer = rooms._begin(journal, bench, [state.trials[0]], 3)
        assert rooms._begin(journal, bench, [state.trials[0]], 3) is newer
    assert newer.number == 3 and replay(events.read(folder)).confirmations[-1].cold_by == cold.RULE


def test_a_trial_of_today_is_not_diagnosed_beside_floors_of_the_older_rule(folder: Path) -> None:
    def found() -> list[str]:
        state: SweepState = replay(events.read(folder))
        trial = TrialState(9, "linear", {}, {}, {}, 0, 1)
        raw = state.floors["raw"]
        figures = {"all": {"nDCG@10": raw["all"]["nDCG@10"] + 0.1}, "cold": {"nDCG@10": raw["cold"]["nDCG@10"] - 0.1}}
        return [each.name for each in beside(state, trial, Record(epoch=1, losses={}, figures=figures))]

    assert found() == []
    rewrite(folder, lambda event: event.update(cold_by=cold.RULE) if event["kind"] == "sweep_started" else None)
    assert found() == ["buries_new_documents"]


@pytest.mark.parametrize("measure", ["nDCG@10", "cold nDCG@10"])
def test_nvf_status_says_so_where_it_shows_a_cold_figure(folder: Path, measure: str) -> None:
    def change(event: dict[str, Any]) -> None:
        if event["kind"] == "sweep_started":
            event["objectives"], event["spec"]["search"] = [measure], {"trials": 2}

    rewrite(folder, change)
    told = CliRunner().invoke(app, ["status", "small"]).stdout
    assert (f"small: {cold.SAID}" in told) == (measure != "nDCG@10")


def test_what_told_the_sources_that_trials_run_followed_todays_rule_before_it_named_it() -> None:
    def of(*files: str) -> str:
        return cold.of_sweep(event("sweep_started", cold_by=None, code=dict.fromkeys(files, "d")))

    assert of("measures/fast.py") == cold.OLDER and of("measures/fast.py", "sweep/worker.py") == cold.RULE
    assert cold.of_result(confirmation(pairwise=[])) == cold.RULE != cold.of_result(confirmation())


def test_without_cold_figures_there_is_nothing_to_say(run_sweep: RunSweep) -> None:
    rewrite(run_sweep(cold=0), older)
    assert not any("cold" in note for note in report(SweepFolder.find("small")).board.notes)
