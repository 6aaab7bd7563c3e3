"""The leaderboard: a view of a sweep's state, best trial first, floors beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nvf.journal import cold
from nvf.journal.facts import Params
from nvf.journal.replay import SweepState, TrialState
from nvf.overlap import Overlap
from nvf.training.record import Record
from nvf.types import Figures


@dataclass(frozen=True, slots=True)
class Mishap:
    """What was lived with after an epoch: `nvf.journal.kinds.FaultTaken`."""

    fault: str
    epoch: int
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One trial, as `nvf leaderboard --json` prints it.

    Attributes
    ----------
    trial, system, seed
        Which one.
    outcome
        A trial that has none yet is `running` or, interrupted, `paused`.
    epochs, best_epoch
        How many were trained, and which stands for the trial.
    value, values
        By the first objective, and by each of them.
    figures
        Of the best epoch.
    params, settings
        What was chosen for it, and all that it goes on with.
    diagnoses
        Names of what is wrong with it at its best record or its last.
    beats_floors
        Whether it lies above every floor; None where either has no figure.
    error, faults
        Why it failed or was stopped, and what was lived with.
    """

    trial: int
    system: str
    outcome: str
    epochs: int
    best_epoch: int | None
    value: float | None
    values: list[float | None]
    figures: Figures
    params: Params
    settings: Params
    seed: int
    diagnoses: list[str]
    beats_floors: bool | None
    error: str | None
    faults: list[Mishap]


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaderboard:
    """A sweep, as `nvf leaderboard --json` prints it.

    Attributes
    ----------
    sweep, status
        Which one, and whether it is running, paused or ended.
    measure, objectives
        What orders the trials, and all that is optimised.
    split, cold_by
        On what, and by which rule cold figures were made.
    queries
        View -> how many.
    floors, floor_figures, ceilings, ceiling_figures
        Name -> value by `measure`, and all figures.
    leaks, notes
        Of the task, and what else is to be known.
    trials
        Best first; those without a figure come last.
    """

    sweep: str
    measure: str
    objectives: list[str]
    split: str
    cold_by: str
    status: str
    queries: dict[str, int]
    floors: dict[str, float | None]
    floor_figures: dict[str, Figures]
    ceilings: dict[str, float | None]
    ceiling_figures: dict[str, Figures]
    leaks: list[Overlap]
    notes: list[str]
    trials: list[Row]

    @property
    def judged(self) -> list[Row]:
        """The trials that have a figure."""
        return [row for row in self.trials if row.value is not None]

    @property
    def shown(self) -> str:
        """The measure that tables show: the one that is optimised, else nDCG@10."""
        name = self.measure.split(" ")[-1]
        return name if "@" in name else "nDCG@10"


def leaderboard(state: SweepState) -> Leaderboard:
    """Return the leaderboard of a sweep."""
    objective, task = state.objectives[0], state.started.task
    rows = [_row(state, trial) for trial in state.trials.values()]
    return Leaderboard(
        sweep=state.name,
        measure=str(objective),
        objectives=[str(each) for each in state.objectives],
        split="dev",
        cold_by=cold.of_sweep(state.started),
        status=state.status,
        queries=task.queries.get("dev", {}),
        floors={name: objective.of_figures(figures) for name, figures in state.floors.items()},
        floor_figures=state.floors,
        ceilings={name: objective.of_figures(figures) for name, figures in state.ceilings.items()},
        ceiling_figures=state.ceilings,
        leaks=task.leaks,
        notes=[
            *([f"warning: {cold.again(state.name)}"] if state.outdated_cold else []),
            *task.notes,
            *(f"gone on with though it had changed: {each}" for each in state.accepted),
        ],
        trials=sorted(rows, key=lambda row: (objective.standing(row.value), row.trial)),
    )


def _row(state: SweepState, trial: TrialState) -> Row:
    best = trial.best(state.objectives[0])
    values = [objective.of(best) for objective in state.objectives]
    return Row(
        trial=trial.number,
        system=trial.system,
        outcome=trial.outcome or ("paused" if trial.paused else "running"),
        epochs=max(trial.epoch, 0),
        best_epoch=None if best is None else best.epoch,
        value=values[0],
        values=values,
        figures={} if best is None else best.figures,
        params=trial.chosen,
        settings=trial.settings,
        seed=trial.seed,
        diagnoses=diagnoses(state, trial),
        beats_floors=None if best is None else beats_floors(state, best),
        error=trial.error,
        faults=[Mishap(each.fault, each.epoch, each.detail) for each in trial.faults],
    )


def diagnoses(state: SweepState, trial: TrialState) -> list[str]:
    """Return the names of what is wrong with a trial at its best record or its last."""
    best = trial.best(state.objectives[0])
    if best is None:
        return []
    return list(dict.fromkeys(each.name for record in (best, trial.records[-1]) for each in record.diagnoses))


def best_floor(state: SweepState) -> tuple[str, float] | None:
    """Return the best floor on dev by the sweep's first measure, with its figure; None where there is none."""
    by = state.measure
    return None if by is None else highest({name: by.of_figures(of) for name, of in state.floors.items()})


def highest(floors: Mapping[str, float | None]) -> tuple[str, float] | None:
    """Return the best of some floors, given their figures, with its own; None where none has one."""
    known = [(name, value) for name, value in floors.items() if value is not None]
    return max(known, key=lambda pair: pair[1], default=None)


def beats_floors(state: SweepState, record: Record) -> bool | None:
    """Return whether a record's figure on dev, by the sweep's first measure, lies above that of every floor.

    It is what "beats the floors" means of a trial, everywhere; None where either has no such figure.
    """
    by, floor = state.measure, best_floor(state)
    value = by.of(record) if by else None
    return None if value is None or floor is None else value > floor[1]


def best_trial(state: SweepState) -> TrialState | None:
    """Return the trial at the head of the leaderboard among those that published a checkpoint, or None."""
    for row in leaderboard(state).judged:
        trial = state.trials[row.trial]
        if row.best_epoch in trial.checkpoints:
            return trial
    return None
