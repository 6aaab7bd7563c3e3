"""What one epoch of a trial gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nvf.types import Diagnosis, Figures, Number


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One epoch of a trial. Epoch 0 is the untrained system.

    Attributes
    ----------
    epoch
        0, 1, 2, ...
    losses
        Part -> mean over the epoch's queries; empty where nothing was trained.
    figures
        Quality on dev.
    diagnoses
        The pathologies that show.
    held_out
        Part -> the loss on dev, comparable between epochs; empty where there is none.
    statistics
        What else the system says of itself: `System.inspect`.
    clock
        What depends on the machine: `seconds` of training, `seconds_evaluating`, and `latency_ms_p50` and
        `latency_ms_p95` of ranking one query.
    """

    epoch: int
    losses: Mapping[str, Number]
    figures: Figures
    diagnoses: tuple[Diagnosis, ...] = ()
    held_out: Mapping[str, Number] = field(default_factory=dict)
    statistics: Mapping[str, Number] = field(default_factory=dict)
    clock: Mapping[str, Number] = field(default_factory=dict)
