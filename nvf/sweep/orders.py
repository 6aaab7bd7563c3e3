"""What a driver and a worker say to each other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nvf.journal.facts import Clock, Params, Published
from nvf.journal.replay import SweepState, TrialState
from nvf.training.record import Record


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What a worker is told.

    Attributes
    ----------
    trial, system, params, seed, epochs
        As journaled in `trial_started`.
    task
        Folder of the task's snapshot.
    cold, cold_seed
        Share of the judged documents that is withheld, and the seed of the draw.
    measures, objective
        What to measure on dev, and by what the best epoch is chosen.
    checkpoints
        Folder of this trial's checkpoints.
    resume
        The last journaled epoch, after which the trial goes on; None for from the start.
    digests
        Epoch -> digest of the journaled checkpoints that may still be there.
    best
        The best epoch so far and its value, or None.
    halved
        Whether the batch was halved for want of memory: the checkpoints may be of the larger one.
    cpu, gpu
        What Ray gives the trial.
    code
        Where the module lies of a system that the sweep file names as `module:Class`; None where it may not be loaded.
    """

    trial: int
    system: str
    params: Params
    seed: int
    epochs: int
    task: str
    cold: float
    cold_seed: int
    measures: tuple[str, ...]
    objective: str
    checkpoints: str
    cpu: float
    gpu: float
    resume: int | None = None
    digests: dict[int, str] = field(default_factory=dict)
    best: tuple[int, float] | None = None
    halved: bool = False
    code: str | None = None

    @classmethod
    def of(cls, state: SweepState, trial: TrialState, task: Path, checkpoints: Path, **other: Any) -> Order:
        """Return what a worker is told of a trial as its sweep has it, from the start; `other` is what differs."""
        spec = state.spec
        order = cls(
            trial=trial.number,
            system=trial.system,
            params=trial.settings,
            seed=trial.seed,
            epochs=trial.epochs,
            task=str(task),
            cold=spec.cold,
            cold_seed=spec.search.seed,
            measures=tuple(spec.measures()),
            objective=str(state.objectives[0]),
            checkpoints=str(checkpoints),
            cpu=spec.resources.cpu,
            gpu=spec.resources.gpu,
        )
        return replace(order, **other)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that went wrong and was lived with: what happened, what was done, what changed of the parameters.

    It is checkpoint_damaged, disk_full, out_of_memory or worker_lost.
    """

    kind: str
    detail: str
    params: Params = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a worker says after an epoch: a record with its checkpoint, or an error.

    Attributes
    ----------
    trial
        Number of the trial.
    record
        The epoch's record, or None.
    checkpoint
        What was published with it, with the whole path of its folder; None where there was no room.
    final
        Whether this was the trial's last epoch.
    error
        What went wrong, or None.
    infeasible
        Whether the error is a want of memory.
    faults
        What went wrong on the way, and was lived with.
    clock
        Who says it, and on what machine.
    """

    trial: int
    record: Record | None = None
    checkpoint: Published | None = None
    final: bool = False
    error: str | None = None
    infeasible: bool = False
    faults: tuple[Fault, ...] = ()
    clock: Clock = Clock()
