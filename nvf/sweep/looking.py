"""What can be refused of a sweep's data and systems before anything is encoded."""

from __future__ import annotations

from collections.abc import Mapping

from nvf import tasks
from nvf.errors import NvfError, SpecError
from nvf.spec.form import KeyPath, Spec
from nvf.systems import SYSTEMS
from nvf.systems.catalogue import catalogue
from nvf.tasks.base import Task
from nvf.tasks.outline import Look, check_searchable


class Unfit(SpecError):
    """A sweep file that does not fit its data.

    Attributes
    ----------
    at, message
        The key that is at fault, and what is wrong with it.
    """

    def __init__(self, at: KeyPath, message: str) -> None:
        key = ".".join(str(part) for part in at if isinstance(part, str))
        super().__init__(message if key == "task" else f"{key}: {message}")
        self.at, self.message = at, message


def look(spec: Spec) -> list[Look]:
    """Return what the task holds, and what those hold that are judged besides.

    Raises
    ------
    Unfit
        Where they cannot be searched, or not by the systems of the spec.
    """
    seen = _look(("task",), spec.task)
    try:
        check_searchable(seen.name, seen.splits)
    except NvfError as error:
        raise Unfit(("task",), str(error)) from None
    reasons = {name: entry.refusals.get(seen.kind.key) for name, entry in catalogue().items()}
    _check(spec, reasons)
    return [seen, *(_look(("evaluate", place), options) for place, options in enumerate(spec.evaluate))]


def _look(at: KeyPath, options: dict[str, object]) -> Look:
    try:
        return tasks.look(options)
    except NvfError as error:
        raise Unfit(at, str(error)) from error


def check_systems(spec: Spec, task: Task) -> None:
    """Raise `Unfit` where a system cannot work on the task, naming those that can, or a gate names no floor of it."""
    _check(spec, {name: system.applies_to(task) for name, system in SYSTEMS.items()})


def _check(spec: Spec, reasons: Mapping[str, str | None]) -> None:
    apply = {name: entry.kind for name, entry in catalogue().items() if reasons[name] is None}
    for name in spec.system:
        if (reason := reasons[name]) is not None:
            fit = ", ".join(each for each, kind in apply.items() if kind not in ("floor", "ceiling"))
            raise Unfit(("system",), f"'{name}' cannot search this task: {reason}; these can: {fit}")
    floors = [name for name, kind in apply.items() if kind == "floor"]
    for at, name in spec.gates.named().items():
        if name not in floors:
            raise Unfit(("gates", *at), f"'{name}' is no floor of this task; {', '.join(floors)} are measured")
