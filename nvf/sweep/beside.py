"""Diagnoses that a worker cannot make: they need the floors, or the epochs before."""

from __future__ import annotations

from collections.abc import Collection
from math import isfinite

from nvf.diagnostics.burial import buries_new_documents
from nvf.diagnostics.loss_misleads import loss_misleads
from nvf.journal.replay import SweepState, TrialState
from nvf.training.record import Record
from nvf.types import Diagnosis


def beside(state: SweepState, trial: TrialState, record: Record) -> list[Diagnosis]:
    """Return what shows of a new `record` beside the raw encoder's figures and the trial's epochs before."""
    objective = state.measure
    if objective is None:
        return []
    found: list[Diagnosis] = []
    raw = state.floors.get("raw")
    if raw is not None and not state.outdated_cold:
        found += buries_new_documents(record.figures, raw, objective.name)
    epochs = [*trial.records, record]
    history = [
        (loss, value)
        for each in epochs
        if each.held_out and isfinite(loss := sum(each.held_out.values())) and (value := objective.of(each)) is not None
    ]
    if len(history) == len(epochs):
        found += loss_misleads(history)
    return found


def stopping(record: Record, names: Collection[str]) -> str:
    """Return the diagnoses of a trained epoch that are among `names`, with which a sweep shall not go on."""
    named = {diagnosis.name for diagnosis in record.diagnoses} if record.epoch > 0 else set()
    return ", ".join(name for name in names if name in named)
