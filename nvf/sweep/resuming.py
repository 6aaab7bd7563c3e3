"""What a resume finds in a sweep's folder, and makes sure of before it goes on."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from nvf import tasks
from nvf.errors import JournalError, SpecError, SweepError, TaskError, UsageError
from nvf.journal.folders import SweepFolder
from nvf.journal.kinds import FloorsMeasured, SweepPaused, SweepResumed, SweepStarted
from nvf.journal.replay import SweepState, replay
from nvf.spec.form import Budget, Search, Spec
from nvf.sweep import brought
from nvf.sweep.spec import load

Part = TypeVar("Part", Search, Budget)
BEGINNING = (SweepStarted, FloorsMeasured, SweepResumed, SweepPaused)
"""What a journal holds before its first trial."""


def untried(sweep: SweepFolder) -> bool:
    """Return whether a sweep never came to a trial: nothing is lost where another one begins in its place."""
    started = not all(isinstance(event, BEGINNING) for event in sweep.events())
    return not started and not any(sweep.checkpoints.glob("trial-*"))


def whole(sweep: SweepFolder) -> SweepState:
    """Return the journaled state; raises `JournalError` where there are checkpoints of trials that it does not know.

    A trial is journaled, and that brought to the disk, before its first checkpoint is published.
    """
    found = sweep.events()
    there = {int(each.name.removeprefix("trial-")) for each in sweep.checkpoints.glob("trial-*")}
    state = replay(found) if found or not there else None
    lost = sorted(there.difference(() if state is None else state.trials))
    if state is None or lost:
        raise JournalError(
            f"{sweep.journal} ends after {len(found)} events, before trial {lost[0]} began, but there are "
            "checkpoints of it: the file was cut off. Restore it from a copy; or, to go on from what is left, move "
            f"{sweep.checkpoints}/trial-{lost[0]:04d} and those after it away"
        )
    return state


def text(sweep: SweepFolder, state: SweepState) -> str:
    """Return the sweep file as it lies in the sweep's folder; where it is gone, it is written again."""
    if not sweep.spec.exists():
        sweep.spec.write_text(state.ground.spec_text, encoding="utf-8")
    return sweep.spec.read_bytes().decode("utf-8", errors="replace")


def placed(spec: Spec, folder: Path) -> Spec:
    """Return the spec with the paths of its tasks made absolute, as seen from `folder`: it may be resumed elsewhere."""
    evaluate = tuple(tasks.placed(options, folder) for options in spec.evaluate)
    return spec.model_copy(update={"task": tasks.placed(spec.task, folder), "evaluate": evaluate})


def snapshot(spec: Spec, state: SweepState) -> Path:
    """Return the task's snapshot, as `tasks.build_snapshot` does.

    Raises `TaskError` where its data cannot be searched, or is looked for in the wrong folder.
    """
    try:
        return tasks.build_snapshot(spec.task)
    except TaskError as error:
        if spec.task == placed(spec, Path.cwd()).task:
            raise
        raise TaskError(
            f"{error}. The sweep file's paths are relative, and sweep '{state.name}' was begun by an older nvf, which "
            "kept them so: go on with it in the folder in which it was begun"
        ) from None


def edited(sweep: SweepFolder, state: SweepState, allowed: Collection[str]) -> Spec:
    """Return the spec that the user made of the sweep file; what is measured must be what it was.

    Its paths are seen from the folder in which the sweep was begun. A class that it names must be among those allowed:
    the folder may have come from elsewhere.
    """
    path = sweep.spec
    spec, _ = load(path, state.started.set, bring=lambda spec: brought.allow(spec, state.name, allowed, path))
    objectives = [str(each) for each in spec.objectives]
    for key, old, new in (("measure", state.started.objectives, objectives), ("name", state.name, spec.name)):
        if old != new:
            raise SpecError(f"{path}: {key} was {old} and is {new}: within a sweep it cannot change; start a new one")
    return placed(spec, Path(state.started.clock.folder or Path.cwd()))


def extended(spec: Spec, state: SweepState, trials: int | None, time: float | None) -> Spec:
    """Return the spec with other trials, or another time; raises `UsageError` where one is out of bounds."""
    changes: dict[str, Any] = {}
    if trials is not None:
        if trials < len(state.trials):
            raise SweepError(
                f"--trials {trials} is less than the {len(state.trials)} that sweep '{state.name}' has begun"
            )
        changes["search"] = _changed(spec.search, "trials", trials)
    if time is not None:
        changes["budget"] = _changed(spec.budget, "time", time)
    return spec.model_copy(update=changes)


def _changed(part: Part, key: str, value: Any) -> Part:
    try:
        return type(part).model_validate({**part.model_dump(), key: value})
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        raise UsageError(f"--{key} {value}: {said[0].lower()}{said[1:]}") from None
