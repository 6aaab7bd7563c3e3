"""Diagnoses that a worker cannot make: they need the floors, or the epochs before."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from nvf.diagnostics.burial import buries_new_documents
from nvf.diagnostics.loss_misleads import loss_misleads
from nvf.journal.replay import SweepState, TrialState


def beside(state: SweepState, trial: TrialState, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what shows of a new `record` beside the raw encoder's figures and the trial's epochs before."""
    objective = next((each for each in state.objectives if each.view), None)
    if objective is None:
        return []
    found, raw = [], state.floors.get("raw")
    if raw is not None and not state.outdated_cold:
        found += buries_new_documents(record["figures"], raw, objective.name)
    epochs = [*trial.records, record]
    history = [
        (sum(each["held_out"].values()), value)
        for each in epochs
        if each.get("held_out") and None not in each["held_out"].values() and (value := objective.of(each)) is not None
    ]
    if len(history) == len(epochs):
        found += loss_misleads(history)
    return [asdict(each) for each in found]


def stopping(record: dict[str, Any], names: Collection[str]) -> str:
    """Return the diagnoses of a trained epoch that are among `names`, with which a sweep shall not go on."""
    named = {diagnosis["name"] for diagnosis in record["diagnoses"]} if record["epoch"] > 0 else set()
    return ", ".join(name for name in names if name in named)
