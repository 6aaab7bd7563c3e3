"""The leaderboard: a view of a sweep's state, best trial first, floors beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nvf.journal import cold
from nvf.journal.replay import SweepState, TrialState
from nvf.measures.objective import Objective


def leaderboard(state: SweepState) -> dict[str, Any]:
    """Return the leaderboard as plain data, in the form that `nvf leaderboard --json` prints.

    Trials without a figure come last. A trial that has no outcome yet is `running` or, interrupted, `paused`.
    """
    objective = state.objectives[0]
    rows = [_row(state, trial) for trial in state.trials.values()]
    rows.sort(key=lambda row: (row["value"] is None, -objective.sign * (row["value"] or 0.0), row["trial"]))
    return {
        "sweep": state.name,
        "measure": str(objective),
        "objectives": [str(each) for each in state.objectives],
        "split": "dev",
        "cold_by": cold.of_sweep(state.started),
        "status": state.status,
        "queries": state.started["task"]["queries"].get("dev", {}),
        "floors": {name: objective.of_figures(figures) for name, figures in state.floors.items()},
        "floor_figures": state.floors,
        "ceilings": {name: objective.of_figures(figures) for name, figures in state.ceilings.items()},
        "ceiling_figures": state.ceilings,
        "leaks": state.started["task"]["leaks"],
        "notes": [
            *([f"warning: {cold.again(state.name)}"] if state.outdated_cold else []),
            *state.started["task"]["notes"],
            *(f"gone on with though it had changed: {each}" for each in state.accepted),
        ],
        "trials": rows,
    }


def _row(state: SweepState, trial: TrialState) -> dict[str, Any]:
    best = trial.best(state.objectives[0])
    return {
        "trial": trial.number,
        "system": trial.system,
        "outcome": trial.outcome or ("paused" if trial.paused else "running"),
        "epochs": max(trial.epoch, 0),
        "best_epoch": None if best is None else best["epoch"],
        "value": None if best is None else state.objectives[0].of(best),
        "values": [None if best is None else objective.of(best) for objective in state.objectives],
        "figures": {} if best is None else best["figures"],
        "params": trial.chosen,
        "settings": trial.settings,
        "seed": trial.seed,
        "diagnoses": diagnoses(state, trial),
        "beats_floors": None if best is None else beats_floors(state, best),
        "error": trial.error,
        "faults": trial.faults,
    }


def diagnoses(state: SweepState, trial: TrialState) -> list[str]:
    """Return the names of what is wrong with a trial at its best record or its last."""
    best = trial.best(state.objectives[0])
    if best is None:
        return []
    return list(dict.fromkeys(each["name"] for record in (best, trial.records[-1]) for each in record["diagnoses"]))


def best_floor(state: SweepState) -> tuple[str, float] | None:
    """Return the best floor on dev by the sweep's first measure, with its figure; None where there is none."""
    by = _quality(state)
    return None if by is None else highest({name: by.of_figures(of) for name, of in state.floors.items()})


def highest(floors: Mapping[str, float | None]) -> tuple[str, float] | None:
    """Return the best of some floors, given their figures, with its own; None where none has one."""
    known = [(name, value) for name, value in floors.items() if value is not None]
    return max(known, key=lambda pair: pair[1], default=None)


def beats_floors(state: SweepState, record: Mapping[str, Any]) -> bool | None:
    """Return whether a record's figure on dev, by the sweep's first measure, lies above that of every floor.

    It is what "beats the floors" means of a trial, everywhere; None where either has no such figure.
    """
    by, floor = _quality(state), best_floor(state)
    value = by.of(record) if by else None
    return None if value is None or floor is None else value > floor[1]


def _quality(state: SweepState) -> Objective | None:
    return next((each for each in state.objectives if each.view), None)


def best_trial(state: SweepState) -> TrialState | None:
    """Return the trial at the head of the leaderboard among those that published a checkpoint, or None."""
    for row in leaderboard(state)["trials"]:
        trial = state.trials[row["trial"]]
        if row["value"] is not None and row["best_epoch"] in trial.checkpoints:
            return trial
    return None
