"""What a new sweep makes sure of before its journal begins, and what the journal begins with."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from nvf import tasks
from nvf.errors import JournalError, NvfError, SpecError
from nvf.journal import cold
from nvf.journal.events import Journal
from nvf.journal.facts import Clock, Searched
from nvf.journal.folders import SweepFolder
from nvf.journal.kinds import SweepStarted
from nvf.spec.form import Spec
from nvf.sweep import looking
from nvf.sweep.brought import packages
from nvf.sweep.ground import ground
from nvf.sweep.resuming import untried
from nvf.sweep.surroundings import commit
from nvf.tasks.base import Task
from nvf.tasks.outline import check_searchable
from nvf.tasks.snapshot import open_snapshot
from nvf.tracking.sync import forget
from nvf.training.floors import Floors, measure_floors

log = logging.getLogger(__name__)


class NameTaken(SpecError):
    """A sweep of this name exists."""


def check_name(sweep: SweepFolder) -> None:
    """Raise `NameTaken` where a sweep of this name has come to a trial, or runs; another one may take its place."""
    if sweep.journal.exists():
        try:
            free = untried(sweep) and not sweep.running()
        except JournalError:
            free = False
        if not free:
            raise NameTaken(
                f"a sweep named '{sweep.name}' exists in {sweep.path}: go on with it by nvf resume {sweep.name}, or "
                "give this one another name with --name"
            )
    elif sweep.checkpoints.exists():
        raise NameTaken(
            f"{sweep.path} holds checkpoints of a sweep whose {sweep.journal.name} is gone: restore it from a copy, "
            "delete the folder, or give this sweep another name with --name"
        )


def begin(sweep: SweepFolder) -> Journal:
    """Return the empty journal of a new sweep; one that never came to a trial is taken back, with its run in MLflow."""
    if not sweep.journal.exists():
        return Journal.create(sweep.path)
    check_name(sweep)
    with contextlib.suppress(NvfError):
        forget(sweep)
    journal = sweep.write()
    if not untried(sweep):  # another process was quicker
        journal.close()
        check_name(sweep)
    sweep.clear(journal)
    log.info(f"the sweep '{sweep.name}' that was begun before never came to a trial: this one takes its place")
    return journal


def prepare(spec: Spec) -> tuple[Path, Task, Floors]:
    """Return the task's snapshot, the task as it is searched, and its floors; everything named by them is there."""
    if not all(map(tasks.is_built, (spec.task, *spec.evaluate))):
        looking.look(spec)
    log.info(f"task: {spec.task['source']}")
    snapshot = tasks.build_snapshot(spec.task)
    task = open_snapshot(snapshot).withhold(spec.cold, spec.search.seed)
    check_searchable(task.name, [name for name, split in task.splits.items() if len(split)])
    for note in task.notes:
        if note.startswith("warning:"):
            log.warning(note)
    looking.check_systems(spec, task)
    for options in spec.evaluate:  # only looked at by a confirmation, which comes too late to find them amiss
        log.info(f"evaluate: {options['source']}")
        tasks.carry(task, open_snapshot(tasks.build_snapshot(options)), "test")
    log.info("floors: measuring what one gets for nothing")
    floors = measure_floors(task, "dev", spec.measures())
    for objective in spec.objectives:
        if objective.view and objective.view not in floors.queries:
            raise SpecError(f"the measure '{objective}' has no queries on dev: {', '.join(floors.queries)} are there")
    return snapshot, task, floors


def first_event(
    spec: Spec, text: str, overrides: Sequence[str], snapshot: Path, task: Task, floors: Floors
) -> SweepStarted:
    """Return the journal's first event."""
    stands = ground(task.fingerprint, text, packages(spec))
    return SweepStarted(
        sweep=spec.name,
        spec=spec,
        set=list(overrides),
        spec_text=text,
        nvf=stands.nvf,
        versions=stands.versions,
        code=stands.code,
        packages=stands.packages,
        task=Searched(
            name=task.name,
            fingerprint=task.fingerprint,
            source=dict(task.source),
            encoder=task.encoder,
            documents=len(task.corpus),
            queries={"train": {"all": len(task.train)}, "dev": floors.queries},
            leaks=list(task.leaks),
            notes=list(task.notes),
        ),
        objectives=[str(objective) for objective in spec.objectives],
        measures=spec.measures(),
        seed=spec.search.seed,
        git=commit(),
        cold_by=cold.RULE,
        clock=clock(snapshot),
    )


def clock(snapshot: Path) -> Clock:
    """Return what is true of this process alone."""
    return Clock.here(folder=os.getcwd(), snapshot=str(snapshot))
