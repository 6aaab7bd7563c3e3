"""nvf from Python: what the commands do, without a command line; it returns and raises, and prints nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import nvf
from nvf import paths
from nvf.errors import JournalError, SpecError, SweepError, UnknownName, UsageError
from nvf.journal.events import Journal
from nvf.journal.folders import names
from nvf.sweep import driver, signals
from nvf.sweep.spec import load
from tests.tracking import journals
from tests.tracking.servers import empty_database, own_tracking

__all__ = ["empty_database", "own_tracking"]

TINY: dict[str, Any] = {
    "name": "tiny",
    "task": {"source": "synthetic", "documents": 50, "dim": 8, "map": "rotation", "train": 60, "dev": 20, "test": 20},
    "system": "linear",
    "space": {"lr": {"log": [0.001, 0.01]}},
    "search": {"sampler": "random", "trials": 2, "seed": 0},
    "budget": {"epochs": 1},
    "resources": {"cpu": 1},
}


@pytest.fixture(autouse=True)
def isolated(own_tracking: None) -> None:
    """No test reaches the user's own tracking server."""


def test_importing_loads_nothing_heavy() -> None:
    code = "import sys, nvf; nvf.run, nvf.Sweep; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "ray", "mlflow", "optuna", "pandas", "numpy", "transformers", "rich"} & {*loaded}


def test_no_function_bears_the_name_of_a_room() -> None:
    rooms = {path.stem for path in Path(nvf.__file__).parent.iterdir()} - {"__init__"}
    assert not rooms & {*nvf.__all__}
    assert {*nvf.__all__} <= {*dir(nvf)}
    with pytest.raises(AttributeError, match="no attribute 'sweeps'"):
        _ = nvf.sweeps


@pytest.mark.ray
@pytest.mark.slow
def test_a_sweep_in_another_thread_from_a_mapping_to_the_alias(capfd: pytest.CaptureFixture[str]) -> None:
    found: list[nvf.Sweep] = []
    thread = threading.Thread(target=lambda: found.append(nvf.run(TINY, name="mine", budget__epochs=2)))
    thread.start()
    thread.join()
    (sweep,) = found
    assert (sweep.name, sweep.status, repr(sweep)) == ("mine", "ended", "<nvf.Sweep 'mine': ended>")
    assert sweep.behind == 0 and sweep.link is not None and "#/experiments/" in sweep.link
    board, trials = sweep.leaderboard(), sweep.trials()
    assert sweep.best is not None and list(trials.index) == [0, 1] and list(trials["epochs"]) == [2, 2]
    assert list(board["value"].dropna()) == sorted(board["value"].dropna(), reverse=True)
    best = board[board["kind"] == "trial"].iloc[0]
    assert best["trial"] == sweep.best.trial and best["all nDCG@10"] == sweep.best.figures["all"]["nDCG@10"]
    assert {"raw", "oracle"} <= {*board["system"]} and set(board["kind"]) == {"trial", "floor", "ceiling"}
    assert list(trials["param lr"]) == [sweep.state.trials[number].chosen["lr"] for number in (0, 1)]
    assert sweep.resume(trials=3, time="5m") is sweep and len(sweep.trials()) == 3
    result = sweep.confirm(top=1, seeds=2)
    assert [row.trial for row in result.finalists] == [sweep.best.trial] and result.opened == 1
    done = sweep.promote(force="to see it go through")
    assert (done.model, done.version, done.alias) == ("mine", 1, "champion")
    with pytest.raises(UsageError, match="cannot be asked in words"):
        nvf.load("models:/mine@champion")
    out, err = capfd.readouterr()
    assert out == "" and "nDCG" not in err


@pytest.mark.ray
@pytest.mark.slow
def test_a_thread_s_sweep_is_stopped_from_another_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # CPython 3.11 cannot compile in two threads at once (gh-106905), and pytest compiles what is imported.
    from nvf.sweep import scheduler  # noqa: F401

    raised: list[BaseException] = []

    def begun() -> bool:
        try:
            return "tiny" in names() and bool(nvf.open("tiny").state.trials)
        except JournalError:  # made, and nothing in it yet
            return False

    def run() -> None:
        try:
            nvf.run(TINY, search__trials=10_000)
        except KeyboardInterrupt as interrupt:
            raised.append(interrupt)

    thread = threading.Thread(target=run)
    thread.start()
    while not begun():
        time.sleep(0.2)
    asked = nvf.open("tiny").stop()
    thread.join()
    assert asked.pid == os.getpid() and asked.again == "nvf resume tiny"
    assert "nvf.open('tiny').resume() goes on" in str(raised[0])
    assert nvf.open("tiny").status == "paused" and not signals.interrupt()
    with pytest.raises(SweepError, match="is not running"):
        nvf.open("tiny").stop()


def test_floors_need_no_sweep() -> None:
    by_mapping = nvf.floors(TINY)
    assert {"raw", "oracle"} <= {*by_mapping.floors, *by_mapping.ceilings} and by_mapping.split == "dev"
    assert nvf.floors(TINY, "test").queries["all"] == 20 and names() == []
    path = paths.mlruns().parent / "tiny.yaml"
    path.write_text("name: tiny\ntask: {source: synthetic, documents: 50, dim: 8, train: 60, dev: 20, test: 20}\n")
    with pytest.raises(SpecError, match=r"tiny.yaml:1: system"):
        nvf.floors(path)
    path.write_text(path.read_text() + "system: linear\n")
    by_path = nvf.floors(str(path), task__map="rotation")
    assert by_path.floors == by_mapping.floors
    assert nvf.floors(load(path, ["task.map=rotation"])[0]).floors == by_mapping.floors


@pytest.mark.parametrize(
    ("spec", "set_", "told"),
    [
        ({**TINY, "sytem": "linear"}, {}, r"the spec:\d+: sytem: unknown key 'sytem'.*system"),
        (TINY, {"budget__epochs": 0}, r"the spec with --set: budget.epochs"),
        ({**TINY, "seed": object()}, {}, "holds texts, numbers"),
        (TINY, {"budget__epochs": float("nan")}, "holds texts, numbers"),
        ("no-such.yaml", {}, "no-such.yaml: cannot be read"),
    ],
)
def test_a_wrong_spec_is_named(spec: Any, set_: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        nvf.run(spec, **set_)


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(UnknownName, match="there is no sweep 'tiny'"):
        nvf.open("tiny")
    with pytest.raises(UsageError, match="models:/none"):
        nvf.load("models:/none@champion")
    folder = paths.sweep(journals.NAME)
    with Journal.create(folder) as journal:
        journals.start(journal)
        assert nvf.open(journals.NAME).status == "running"
    sweep = nvf.open(journals.NAME)
    assert sweep.status == "died" and sweep.best is None and sweep.trials().empty
    with pytest.raises(UsageError, match="time: "):
        sweep.resume(time="soon")


def test_every_option_of_a_resume_reaches_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal.create(paths.sweep(journals.NAME)) as journal:
        journals.start(journal)
    sweep, given = nvf.open(journals.NAME), dict[str, Any]()

    def resume(name: str, **options: Any) -> driver.Result:
        given.update(options)
        return driver.Result(sweep.state, None, 0)

    monkeypatch.setattr(driver, "resume", resume)
    sweep.resume(trials=7, time="2m", accept_changes=True, allow=["mine:Poly"], address="auto", watch=print)
    told = {"trials": 7, "time": 120, "accept": True, "allow": ["mine:Poly"], "address": "auto", "watch": print}
    assert given == told
