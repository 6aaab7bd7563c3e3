"""What must be equal of a sweep that was disturbed and one that was not: journal, study, MLflow, leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import optuna

from nvf.journal import events, replay
from nvf.journal.leaderboard import leaderboard
from tests.e2e.home import Home
from tests.journal.equal import same as without_clock

CLOCKS = ("seconds", "latency", "time/")
"""What the names of metrics that the clock measures begin with."""


def same(home: Home, undisturbed: Home, name: str = "small", database: str | None = None) -> None:
    """Assert that a sweep of two homes is the same by every view; `database` is MLflow's where it is not the home's."""
    assert story(home.sweep(name)) == story(undisturbed.sweep(name))
    assert board(home.sweep(name)) == board(undisturbed.sweep(name))
    assert study(home.sweep(name)) == study(undisturbed.sweep(name))
    assert runs(database or home.database, name) == runs(undisturbed.database, name)


def story(folder: Path) -> list[dict[str, Any]]:
    """Return the trials as journaled, without the clock; asserts that epochs only ever go up and none comes twice."""
    found = events.read(folder)
    seen: dict[int, int] = {}
    for event in found:
        if event.kind == "record":
            number, epoch = event.trial, event.record.epoch
            assert epoch == seen.get(number, -1) + 1, f"trial {number}: epoch {epoch} after {seen.get(number)}"
            seen[number] = epoch
    started = [event.trial for event in found if event.kind == "trial_started"]
    assert started == sorted(set(started)), "each trial began once"
    state = replay.replay(found)
    names = ("number", "params", "chosen", "seed", "outcome", "error", "records", "attrs", "distributions")
    plain = [
        {name: getattr(trial, name) for name in names}
        | {"digests": {epoch: each.digest for epoch, each in trial.checkpoints.items()}}
        for trial in state.trials.values()
    ]
    return without_clock(plain)


def board(folder: Path) -> list[dict[str, Any]]:
    """Return the leaderboard's rows, without the faults that were lived with."""
    rows = leaderboard(replay.replay(events.read(folder))).trials
    return [{**row, "faults": []} for row in without_clock(rows)]


def study(folder: Path) -> list[tuple[Any, ...]]:
    """Return the exported study's trials; asserts that none is left open."""
    storage = f"sqlite:///{folder / 'optuna.db'}"
    found = optuna.load_study(study_name=optuna.get_all_study_names(storage)[0], storage=storage).trials
    assert all(trial.state.is_finished() for trial in found)
    return [(each.number, each.state, each.values, each.params, each.intermediate_values) for each in found]


def runs(uri: str, name: str) -> dict[str, Any]:
    """Return MLflow's runs of a sweep by trial, floor or kind: status, parameters, every step of every metric.

    Asserts that no run is doubled and none is left RUNNING.
    """
    client = mlflow.MlflowClient(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.`nvf.sweep` = '{name}'", max_results=1000)
    by_trial = {_key(run.data.tags): run for run in found}
    assert len(by_trial) == len(found), "a run is doubled"
    assert not [run for run in found if run.info.status == "RUNNING"]
    return {
        trial: {
            "status": run.info.status,
            "params": dict(run.data.params),
            "metrics": {
                key: sorted((each.step, each.value) for each in client.get_metric_history(run.info.run_id, key))
                for key in run.data.metrics
                if not any(clock in key for clock in CLOCKS)
            },
        }
        for trial, run in by_trial.items()
    }


def _key(tags: dict[str, str]) -> str:
    """Return the number of a trial, the name of a floor or ceiling, or `sweep`."""
    kind = tags["nvf.kind"]
    return kind if kind == "sweep" else tags["nvf.trial"] if kind == "trial" else f"{kind} {tags['nvf.system']}"
