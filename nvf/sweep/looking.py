"""What can be refused of a sweep's data and systems before anything is encoded."""

from __future__ import annotations

from collections.abc import Sequence

from nvf import tasks
from nvf.errors import NvfError, SpecError
from nvf.sweep.spec import Spec
from nvf.sweep.yaml_lines import KeyPath
from nvf.systems import SYSTEMS
from nvf.tasks.base import Task
from nvf.tasks.outline import Look, check_searchable, sketch


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


def look(spec: Spec) -> Sequence[Look]:
    """Return what the task holds, and what those hold that are judged besides.

    Raises
    ------
    Unfit
        Where they cannot be searched, or not by the systems of the spec.
    """
    seen = [_look(("task",), spec.task)]
    try:
        check_searchable(seen[0].name, seen[0].splits)
    except NvfError as error:
        raise Unfit(("task",), str(error)) from None
    check_systems(spec, sketch(seen[0]))
    return seen + [_look(("evaluate", place), options) for place, options in enumerate(spec.evaluate)]


def _look(at: KeyPath, options: dict[str, object]) -> Look:
    try:
        return tasks.look(options)
    except NvfError as error:
        raise Unfit(at, str(error)) from error


def check_systems(spec: Spec, task: Task) -> None:
    """Raise `Unfit` where a system cannot work on the task, naming those that can, or a gate names no floor of it."""
    for name in spec.system:
        if (reason := SYSTEMS[name].applies_to(task)) is not None:
            fit = [each for each, kind in SYSTEMS.items() if kind.trained and kind.applies_to(task) is None]
            raise Unfit(("system",), f"'{name}' cannot search this task: {reason}; these can: {', '.join(fit)}")
    floors = [name for name, kind in SYSTEMS.items() if kind.floor and kind.applies_to(task) is None]
    for at, name in spec.gates.named().items():
        if name not in floors:
            raise Unfit(("gates", *at), f"'{name}' is no floor of this task; {', '.join(floors)} are measured")
