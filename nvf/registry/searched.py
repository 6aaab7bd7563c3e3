"""What a sweep searched: its task, as the journal names it, made again where its snapshot was cleared away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nvf import devices, paths, tasks
from nvf.errors import TaskError
from nvf.journal.kinds import Event, SweepResumed, SweepStarted
from nvf.journal.replay import SweepState
from nvf.sweep import brought
from nvf.tasks.base import Task


def snapshot_of(events: list[Event], state: SweepState) -> tuple[Path, Task]:
    """Return the snapshot's folder and the task in it, checked byte by byte.

    Raises
    ------
    SweepError
        Where a package is not here that the sweep ran code of.
    TaskError
        Where the task is no longer the one that the sweep searched.
    """
    brought.check(state.spec, state.ground)
    folder = next((found for found in _snapshots(events) if found.is_dir()), None)
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


def _snapshots(events: list[Event]) -> Iterator[Path]:
    for event in reversed(events):
        if isinstance(event, SweepStarted | SweepResumed) and event.clock.snapshot:
            known = Path(event.clock.snapshot)
            yield from (known, paths.cache() / "tasks" / known.name)  # mlruns/ may have been moved
