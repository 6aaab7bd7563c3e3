"""What can be refused of a sweep's data and systems before anything is encoded."""

from __future__ import annotations

from collections.abc import Mapping

from nvf import tasks
from nvf.spec.form import Misfit, Spec, blaming
from nvf.systems import SYSTEMS
from nvf.systems.catalogue import catalogue
from nvf.tasks.base import Task
from nvf.tasks.outline import Look, check_searchable


def look(spec: Spec) -> list[Look]:
    """Return what the task holds, and what those hold that are judged besides.

    Raises `Misfit` where they cannot be searched, or not by the systems of the spec.
    """
    with blaming("task"):
        seen = tasks.look(spec.task)
        check_searchable(seen.name, seen.splits)
    reasons = {name: entry.refusals.get(seen.kind.key) for name, entry in catalogue().items()}
    _check(spec, reasons)
    found = [seen]
    for place, options in enumerate(spec.evaluate):
        with blaming("evaluate", place):
            found.append(tasks.look(options))
    return found


def check_systems(spec: Spec, task: Task) -> None:
    """Raise `Misfit` where a system cannot work on the task, naming those that can, or a gate names no floor of it."""
    _check(spec, {name: system.applies_to(task) for name, system in SYSTEMS.items()})


def _check(spec: Spec, reasons: Mapping[str, str | None]) -> None:
    apply = {name: entry.kind for name, entry in catalogue().items() if reasons[name] is None}
    for name in spec.system:
        if (reason := reasons[name]) is not None:
            fit = ", ".join(each for each, kind in apply.items() if kind not in ("floor", "ceiling"))
            raise Misfit(("system",), f"'{name}' cannot search this task: {reason}; these can: {fit}")
    floors = [name for name, kind in apply.items() if kind == "floor"]
    for at, name in spec.gates.named().items():
        if name not in floors:
            raise Misfit(("gates", *at), f"'{name}' is no floor of this task; {', '.join(floors)} are measured")
