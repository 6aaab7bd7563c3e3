"""What a sweep searched: its task, as the journal names it, made again where its snapshot was cleared away."""

from __future__ import annotations

from pathlib import Path

from nvf import devices, paths, tasks
from nvf.errors import TaskError
from nvf.journal.replay import SweepState
from nvf.sweep import brought
from nvf.tasks.base import Task


def snapshot_of(state: SweepState) -> tuple[Path, Task]:
    """Return the snapshot's folder and the task in it, checked byte by byte.

    Raises
    ------
    SweepError
        Where a package is not here that the sweep ran code of.
    TaskError
        Where the task is no longer the one that the sweep searched.
    """
    brought.check(state.spec, state.ground)
    known = [Path(each) for each in reversed(state.snapshots)]
    # mlruns/ may have been moved
    places = (place for each in known for place in (each, paths.cache() / "tasks" / each.name))
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        with devices.using(state.spec.resources.gpu):
            folder = tasks.build_snapshot(state.spec.task)
    task = tasks.open_snapshot(folder, verify=True)
    before = state.started.task.fingerprint
    if task.fingerprint != before:
        raise TaskError(
            f"task {task.name} has changed since sweep '{state.name}' searched it (fingerprint {before[:12]} then, "
            f"{task.fingerprint[:12]} now): restore its data, or run the sweep again"
        )
    return folder, task
