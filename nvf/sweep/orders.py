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
    resume, digest, best
        The last journaled epoch, after which the trial goes on, its checkpoint's digest, and the best epoch so far;
        None for from the start.
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
    resume: int | None
    digest: str | None
    best: int | None
    cpu: float
    gpu: float

    def to_config(self) -> dict[str, Any]:
        """Return the order as plain data."""
        return asdict(self)


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
        {folder, digest} of what was published with it, or None.
    final
        Whether this was the trial's last epoch.
    error
        What went wrong, or None.
    clock
        Who says it: {host, pid, node}, the last being Ray's id.
    """

    trial: int
    record: dict[str, Any] | None = None
    checkpoint: dict[str, str] | None = None
    final: bool = False
    error: str | None = None
    clock: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the report as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Return the report that `to_json` wrote."""
        return cls(**json.loads(text))
