"""What a driver and a worker say to each other."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


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
        Whether the batch was halved for want of memory, and is not to be halved again: the checkpoints may be of the
        larger one.
    cpu, gpu
        What Ray gives the trial.
    """

    trial: int
    system: str
    params: dict[str, Any]
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

    def to_config(self) -> dict[str, Any]:
        """Return the order as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that went wrong and was lived with.

    Attributes
    ----------
    kind
        checkpoint_damaged, disk_full, out_of_memory or worker_lost.
    detail
        What happened, and what was done.
    params
        What changed of the trial's parameters.
    """

    kind: str
    detail: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a worker says after an epoch: a record with its checkpoint, or an error.

    Attributes
    ----------
    trial
        Number of the trial.
    record
        The epoch's record as plain data, or None.
    checkpoint
        {folder, digest} of what was published with it, or None where there was no room.
    final
        Whether this was the trial's last epoch.
    error
        What went wrong, or None.
    infeasible
        Whether the error is a want of memory, with half the batch still.
    faults
        What went wrong on the way, and was lived with.
    clock
        Who says it: {host, pid, node}, the last being Ray's id, with `surroundings.machine`.
    """

    trial: int
    record: dict[str, Any] | None = None
    checkpoint: dict[str, str] | None = None
    final: bool = False
    error: str | None = None
    infeasible: bool = False
    faults: tuple[Fault, ...] = ()
    clock: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the report as text."""
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Return the report that `to_json` wrote."""
        read = json.loads(text)
        return cls(**{**read, "faults": tuple(Fault(**each) for each in read["faults"])})
