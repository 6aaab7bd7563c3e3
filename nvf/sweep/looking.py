"""What can be refused of a sweep's data and systems before anything is encoded."""

from __future__ import annotations

from collections.abc import Callable

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
    _check(spec, lambda name: catalogue()[name].refusals.get(seen.kind.key))
    found = [seen]
    for place, options in enumerate(spec.evaluate):
        with blaming("evaluate", place):
            found.append(tasks.look(options))
    return found


def check_systems(spec: Spec, task: Task) -> None:
    """Raise `Misfit` where a system cannot work on the task, naming those that can, or a gate names no floor of it."""
    _check(spec, lambda name: SYSTEMS[name].applies_to(task))


def _check(spec: Spec, refusal: Callable[[str], str | None]) -> None:
    """Ask the systems that are named, and all others only where one of those refuses."""
    for name in spec.system:
        if (reason := refusal(name)) is not None:
            others = (each for each, entry in catalogue().items() if entry.kind not in ("floor", "ceiling"))
            fit = ", ".join(each for each in others if refusal(each) is None)
            raise Misfit(("system",), f"'{name}' cannot search this task: {reason}; these can: {fit}")
    if named := spec.gates.named():
        known = (name for name, entry in catalogue().items() if entry.kind == "floor")
        floors = [name for name in known if refusal(name) is None]
        for at, name in named.items():
            if name not in floors:
                raise Misfit(("gates", *at), f"'{name}' is no floor of this task; {', '.join(floors)} are measured")
