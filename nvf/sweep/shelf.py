"""Which checkpoints of a sweep stay on the disk: those of the best trials, and of whatever still runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nvf.journal.replay import SweepState, TrialState
from nvf.measures.objective import Objective
from nvf.spec.form import Checkpoints

KEPT = 3
"""The last checkpoints of a trial that stay. When the driver dies the last of them may not be journaled; of the other
two, one may be damaged."""


def epoch_folder(folder: Path, epoch: int) -> Path:
    """Return where the checkpoint of `epoch` lies below a trial's folder."""
    return folder / f"epoch-{epoch:04d}"


def surplus(state: SweepState, limits: Checkpoints) -> list[int]:
    """Return the ended trials whose checkpoints are to go, the worst first.

    The best `limits.keep` by the first objective stay, and in a Pareto search the front. Where the rest is more than
    `limits.bytes`, the worst of them go too, but never the best one.
    """
    objectives = state.objectives
    held = sorted(
        (trial for trial in state.trials.values() if trial.outcome is not None and trial.checkpoints),
        key=lambda trial: _standing(trial, objectives[0]),
    )
    front = [] if len(objectives) == 1 else [trial for trial in held if not _dominated(trial, held, objectives)]
    gone = [trial for trial in held[limits.keep :] if trial not in front]
    kept = [trial for trial in held if trial not in gone]
    if limits.bytes is not None:
        while len(kept) > 1 and occupied(state, kept) > limits.bytes:
            gone.insert(0, kept.pop())
    return [trial.number for trial in reversed(gone)]


def occupied(state: SweepState, ended: Sequence[TrialState] | None = None) -> int:
    """Return the bytes of the checkpoints that stay of `ended` (None for all), and of the trials that still run."""
    if ended is None:
        ended = [trial for trial in state.trials.values() if trial.outcome is not None]
    objective = state.objectives[0]
    total = sum(_bytes(trial, best) for trial in ended if (best := best_epoch(trial, objective)) is not None)
    running = [trial for trial in state.trials.values() if trial.outcome is None]
    return total + sum(_bytes(trial, epoch) for trial in running for epoch in live(trial, objective))


def live(trial: TrialState, objective: Objective) -> list[int]:
    """Return the epochs of a trial whose checkpoints a worker keeps: the last journaled ones, and the best."""
    best = best_epoch(trial, objective)
    return sorted({*sorted(trial.checkpoints)[-KEPT:], *([] if best is None else [best])})


def best_epoch(trial: TrialState, objective: Objective) -> int | None:
    """Return the epoch that stands for a trial, where its checkpoint was published."""
    best = trial.best(objective)
    return None if best is None or best.epoch not in trial.checkpoints else best.epoch


def _bytes(trial: TrialState, epoch: int) -> int:
    return trial.checkpoints[epoch].bytes


def _standing(trial: TrialState, objective: Objective) -> tuple[tuple[bool, float], int]:
    return objective.standing(objective.of(trial.best(objective))), trial.number


def _dominated(trial: TrialState, others: Sequence[TrialState], objectives: Sequence[Objective]) -> bool:
    """Return whether another trial is at least as good by every objective, and better by one."""
    own = _values(trial, objectives)
    return any(
        all(there >= here for there, here in zip(found, own, strict=True)) and found != own
        for found in (_values(other, objectives) for other in others if other is not trial)
    )


def _values(trial: TrialState, objectives: Sequence[Objective]) -> list[float]:
    best = trial.best(objectives[0])
    values = [(objective.sign, objective.of(best)) for objective in objectives]
    return [float("-inf") if value is None else sign * value for sign, value in values]
