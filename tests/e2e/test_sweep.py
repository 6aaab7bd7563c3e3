"""Real sweeps on real Ray."""

from __future__ import annotations

import json
import re
import signal
import time
from typing import Any

import mlflow
import optuna
import pytest

from nvf.journal import events, replay
from tests.journal.equal import same

pytestmark = pytest.mark.ray


def trials(state: replay.SweepState) -> list[dict[str, Any]]:
    """What two equal sweeps have in common: everything but the clock and the folder they lie in."""
    plain = [
        {name: getattr(trial, name) for name in ("number", "params", "chosen", "seed", "outcome", "error", "records")}
        | {"digests": {epoch: each.digest for epoch, each in trial.checkpoints.items()}}
        for trial in state.trials.values()
    ]
    return same(plain)


def runs(home: Any, name: str) -> dict[str, Any]:
    """MLflow's runs of a sweep by trial number; the sweep's own under `sweep`, floors and ceilings by name."""
    client = mlflow.MlflowClient(f"sqlite:///{home.folder / 'mlruns' / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.`nvf.sweep` = '{name}'", max_results=1000)
    by_number = {_called(run.data.tags): run for run in found}
    assert len(by_number) == len(found), "no run is doubled"
    return by_number


def _called(tags: dict[str, str]) -> str:
    return {"sweep": "sweep", "trial": tags.get("nvf.trial", "")}.get(tags["nvf.kind"], tags.get("nvf.system", ""))


def test_a_sweep_from_file_to_champion(home: Any) -> None:
    code, out, err = home.run("sweep", home.spec(slots=2), "--trials", 6, "--json")
    assert code == 0, err
    board = json.loads(out)
    assert [row["value"] for row in board["trials"]] == sorted((row["value"] for row in board["trials"]), reverse=True)
    assert {"raw"} <= set(board["floors"]) and {"oracle"} <= set(board["ceilings"])
    assert set(board["trials"][0]["figures"]) == {"all", "clean", "cold"}
    assert board["trials"][0]["value"] > board["floors"]["raw"] + 0.1, "the hidden rotation can be learned"
    assert "6/6 trials" in err, "plain lines where there is no terminal"

    state = home.state("small")
    assert state.status == "ended" and len(state.trials) == 6
    found = runs(home, "small")
    assert found.keys() == {"sweep", *board["floors"], *board["ceilings"], *map(str, range(6))}
    assert not [run for run in found.values() if run.info.status == "RUNNING"]
    for number, trial in state.trials.items():
        run = found[str(number)]
        assert run.data.tags["nvf.outcome"] == trial.outcome
        assert run.data.tags["mlflow.parentRunId"] == found["sweep"].info.run_id
        last = trial.records[-1].figures
        assert run.data.metrics["dev/nDCG_at_10"] == pytest.approx(last["all"]["nDCG@10"])
        assert run.data.metrics["dev_cold/R_at_5"] == pytest.approx(last["cold"]["R@5"])
    study = optuna.load_study(
        study_name="small", storage=f"sqlite:///{home.folder / 'mlruns' / 'sweeps' / 'small' / 'optuna.db'}"
    )
    assert len(study.trials) == 6 and all(trial.state.is_finished() for trial in study.trials)
    for trial in state.trials.values():
        best = trial.best(state.objectives[0])
        assert best is not None
        kept = home.folder / "mlruns" / "sweeps" / "small" / trial.checkpoints[best.epoch].folder
        assert kept.is_dir(), "the best checkpoint is kept"

    code, out, err = home.run("promote", "small")
    assert (code, out) == (3, "") and "becomes no champion: it was not confirmed on test" in err
    assert "confirm  nvf confirm small\n" in err and "beside   nvf promote small --alias candidate\n" in err
    code, out, err = home.run("promote", "small", "--alias", "candidate")
    assert code == 0, err
    assert "models:/small@candidate" in out and "caution" in out

    code, out, err = home.run("resume", "small", "--trials", 8, "--json")
    assert code == 0, err
    assert len(json.loads(out)["trials"]) == 8
    assert trials(home.state("small"))[:6] == trials(state), "what was finished is left alone"
    assert len(runs(home, "small")) == len(found) + 2


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_sweep_that_ends_while_ray_starts_can_be_begun_again(home: Any, number: signal.Signals) -> None:
    spec = home.spec(slots=2)
    process = home.start("sweep", spec, "--trials", 1)
    while "ray: starting" not in (line := process.stderr.readline()):
        assert line, process.communicate()
    time.sleep(1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    if number != signal.SIGKILL:
        assert process.returncode == 130 and f"go on with: nvf sweep {spec}" in err and "Traceback" not in err
    assert not home.sweep("small").exists()
    code, _, err = home.run("sweep", spec, "--trials", 1, "--json")
    assert code == 0, err


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_worker_gives_equal_journals_and_a_stop_changes_nothing(home: Any) -> None:
    for name in ("one", "two"):
        code, _, err = home.run("sweep", home.spec(), "--name", name)
        assert code == 0, err
    one, two = (same(events.read(home.folder / "mlruns" / "sweeps" / name)) for name in ("one", "two"))
    assert re.sub(r"\bone\b", "two", str(one)) == str(two), "but for the name that one was given"
    undisturbed = home.state("one")

    process = home.start("sweep", home.spec(), "--name", "stopped")
    home.interrupt(process, "stopped", lambda state: state.finished >= 10, signal.SIGTERM)
    assert process.returncode == 130
    stopped = home.state("stopped")
    assert 10 <= stopped.finished < 20 and stopped.status == "paused"
    code, _, err = home.run("resume", "stopped")
    assert code == 0, err
    assert trials(home.state("stopped")) == trials(undisturbed)
    assert len(undisturbed.trials) == 20


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_sweep_long_before_its_trials(home: Any, number: signal.Signals) -> None:
    spec = home.spec(slots=2, **{"epochs: 4": "epochs: 1000", "kind: successive_halving": "kind: none"})
    process = home.start("sweep", spec)
    took = home.interrupt(
        process, "small", lambda state: any(trial.epoch > 1 for trial in state.trials.values()), number
    )
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert took < 60  # 3.5 s on an idle machine; the trials would take many minutes
    assert "nvf resume small" in err
    state = home.state("small")
    assert (state.status, state.reason) == ("paused", "interrupt")
    found = runs(home, "small")
    assert found and not [run for run in found.values() if run.info.status == "RUNNING"]


@pytest.mark.slow
def test_the_time_of_a_sweep_ends_it(home: Any) -> None:
    spec = home.spec(slots=2, **{"epochs: 4": "epochs: 10000", "kind: successive_halving": "kind: none"})
    code, _, err = home.run("sweep", spec, "--time", "20s")
    assert code == 0 and "the time is over" in err
    state = home.state("small")
    assert (state.status, state.reason) == ("paused", "time")
    assert all(trial.paused and trial.epoch in trial.checkpoints for trial in state.trials.values())
