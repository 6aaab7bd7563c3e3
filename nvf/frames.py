"""A sweep as tables of pandas."""

from __future__ import annotations

from typing import Any

import pandas as pd

from nvf.journal.leaderboard import Leaderboard
from nvf.journal.replay import SweepState
from nvf.measures.objective import Objective
from nvf.types import Figures

LAST = ["beats_floors", "diagnoses"]


def leaderboard(board: Leaderboard) -> pd.DataFrame:
    """Return the judged trials, floors and ceilings, best first by the sweep's first measure."""
    rows: list[dict[str, Any]] = [
        {
            "kind": "trial",
            "trial": row.trial,
            "system": row.system,
            "outcome": row.outcome,
            "epoch": row.best_epoch,
            "value": row.value,
            **_flat(row.figures),
            "beats_floors": row.beats_floors,
            "diagnoses": ", ".join(row.diagnoses),
        }
        for row in board.judged
    ]
    for kind, values, figures in (
        ("floor", board.floors, board.floor_figures),
        ("ceiling", board.ceilings, board.ceiling_figures),
    ):
        rows += [{"kind": kind, "system": name, "value": values[name], **_flat(of)} for name, of in figures.items()]
    objective = Objective.parse(board.measure)
    rows.sort(key=lambda row: objective.standing(row["value"]))
    first = ["kind", "trial", "system", "outcome", "epoch", "value"]
    table = pd.DataFrame(rows, columns=[*first, *_others(rows, [*first, *LAST]), *LAST])
    return table.astype({"trial": "Int64", "epoch": "Int64"})


def trials(state: SweepState) -> pd.DataFrame:
    """Return every trial that was begun, by its number; what was chosen has a column each, `param` before it."""
    rows: list[dict[str, Any]] = []
    for number, trial in sorted(state.trials.items()):
        best = trial.best(state.objectives[0])
        rows.append(
            {
                "trial": number,
                "system": trial.system,
                "outcome": trial.outcome or ("paused" if trial.paused else "running"),
                "epochs": max(trial.epoch, 0),
                "epoch": None if best is None else best.epoch,
                **{str(by): by.of(best) for by in state.objectives},
                **{f"param {name}": value for name, value in trial.chosen.items() if name != "system"},
                "seed": trial.seed,
                "error": trial.error,
            }
        )
    first = ["trial", "system", "outcome", "epochs", "epoch"]
    table = pd.DataFrame(rows, columns=[*first, *_others(rows, [*first, "seed", "error"]), "seed", "error"])
    return table.set_index("trial").astype({"epoch": "Int64"})


def _flat(figures: Figures) -> dict[str, float]:
    return {f"{view} {measure}": value for view, by in figures.items() for measure, value in by.items()}


def _others(rows: list[dict[str, Any]], known: list[str]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row if name not in known))
