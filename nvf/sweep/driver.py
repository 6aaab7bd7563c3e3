"""A sweep from its file to its end: task, floors, journal, Ray, tracking."""

from __future__ import annotations

import contextlib
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from nvf import paths, tasks
from nvf.errors import JournalError, NvfError, SpecError, SweepError
from nvf.journal import events, replay
from nvf.journal.folders import find
from nvf.sweep import ray_session, resuming, signals
from nvf.sweep.conductor import LOSSES, Conductor, Place
from nvf.sweep.ground import changes, ground
from nvf.sweep.resuming import CHECKPOINTS, SPEC
from nvf.sweep.space import Space
from nvf.sweep.spec import Spec
from nvf.sweep.study import SearchStudy
from nvf.sweep.surroundings import commit
from nvf.sweep.yaml_lines import KeyPath
from nvf.systems import SYSTEMS
from nvf.tasks.base import Task
from nvf.tasks.snapshot import open_snapshot
from nvf.tracking import archive
from nvf.tracking.projector import Projector
from nvf.training.floors import Floors, measure_floors

Watch = Callable[[replay.SweepState], None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Result:
    """How a sweep ended.

    Attributes
    ----------
    state
        The sweep as journaled.
    link
        Into the MLflow UI, or None where the tracking server was never reached.
    behind
        How many events MLflow has not been told of (`nvf sync` closes the gap).
    """

    state: replay.SweepState
    link: str | None
    behind: int


def start(
    spec: Spec, text: str, overrides: Sequence[str] = (), *, address: str | None = None, watch: Watch, say: Say
) -> Result:
    """Run a new sweep to its end.

    Parameters
    ----------
    spec, text
        The validated sweep file, and its text.
    overrides
        What `--set` changed of it.
    address
        A Ray cluster that is there already, or None.
    watch
        Called with the state after every event.
    say
        Called with one line for each step before the first trial.

    Raises
    ------
    NameTaken
        Where a sweep of this name exists.
    SweepError
        Where the cluster cannot be joined, or one trial asks for more than a node has.
    StorageError
        Where the spec's storage does not answer.
    TaskError
        Where the data cannot be searched.
    Interrupted
        Where a signal came before the first trial: nothing but caches is left behind.
    """
    folder = paths.sweep(spec.name)
    if (folder / CHECKPOINTS).exists() and not (folder / events.FILE).exists():
        raise NameTaken(
            f"{folder} holds checkpoints of a sweep whose {events.FILE} is gone: restore it from a copy, delete the "
            "folder, or give this sweep another name with --name"
        )
    if (folder / events.FILE).exists():
        raise NameTaken(
            f"a sweep named '{spec.name}' exists in {folder}: go on with it by nvf resume {spec.name}, or give this "
            "one another name with --name"
        )
    with signals.raising():
        if cluster := ray_session.cluster(address):
            ray_session.ask(cluster)  # before the long work, and before there is a journal
        if spec.storage is not None:
            archive.check(spec.storage)
        if repeats := Space(spec, _misfit).repeats(spec.search.trials):
            say(repeats)
        say(f"task: {spec.task['source']}")
        snapshot = tasks.build_snapshot(spec.task)
        task = open_snapshot(snapshot).withhold(spec.cold, spec.search.seed)
        _check_systems(spec, task)
        for options in spec.evaluate:  # only looked at by a confirmation, which comes too late to find them amiss
            say(f"evaluate: {options['source']}")
            tasks.carry(task, open_snapshot(tasks.build_snapshot(options)), "test")
        say("floors: measuring what one gets for nothing")
        floors = measure_floors(task, "dev", spec.measures())
        for objective in spec.objectives:
            if objective.view and objective.view not in floors.queries:
                raise SpecError(
                    f"the measure '{objective}' has no queries on dev: {', '.join(floors.queries)} are there"
                )
        for at, name in spec.gates.named().items():
            if name not in floors.floors:
                raise SpecError(
                    f"gates.{at[0]}: '{name}' is no floor of this task; {', '.join(floors.floors)} are measured"
                )
    with events.Journal.create(folder) as journal:
        (folder / SPEC).write_text(text, encoding="utf-8")
        stands = ground(task.fingerprint, text)
        fingerprint = stands.pop("fingerprint")
        started = journal.append(
            "sweep_started",
            format=events.FORMAT,
            sweep=spec.name,
            spec=spec.model_dump(mode="json"),
            set=list(overrides),
            **stands,
            task={
                "name": task.name,
                "fingerprint": fingerprint,
                "source": dict(task.source),
                "encoder": task.encoder,
                "documents": len(task.corpus),
                "queries": {"train": {"all": len(task.train)}, "dev": floors.queries},
                "leaks": [asdict(leak) for leak in task.leaks],
                "notes": list(task.notes),
            },
            objectives=[str(objective) for objective in spec.objectives],
            measures=spec.measures(),
            seed=spec.search.seed,
            git=commit(),
            clock={"host": platform.node(), "pid": os.getpid(), "snapshot": str(snapshot)},
        )
        state = replay.replay([started])
        _write_floors(journal, state, floors)
        return _run(spec, state, journal, snapshot, address, watch, say)


def resume(
    name: str,
    *,
    trials: int | None = None,
    time: float | None = None,
    accept: bool = False,
    address: str | None = None,
    watch: Watch,
    say: Say,
) -> Result:
    """Go on with a sweep from its journal, or extend a finished one.

    Parameters
    ----------
    name
        The sweep.
    trials
        How many trials there shall be in all; None for as many as before.
    time
        How many seconds it may take from now; None for the spec's own budget.
    accept
        Whether to go on with a file, a task, code or versions that have changed since.
    address, watch, say
        As of `start`.

    Raises
    ------
    JournalError
        Where the journal is damaged, cut off, or held by another process.
    SweepError
        Where what the sweep stands on has changed, and that was not accepted.
    """
    folder = find(name)
    journal, found = events.Journal.open(folder)
    with journal:
        state = resuming.whole(folder, found)
        text = resuming.text(folder, state)
        spec = Spec.model_validate(state.spec)
        if accept and text != state.ground["spec_text"]:
            spec = resuming.edited(folder, state)
        spec = resuming.extended(spec, state, trials, time)
        with signals.raising():
            say(f"task: {spec.task['source']}")
            snapshot = tasks.build_snapshot(spec.task)
        task = open_snapshot(snapshot)
        now = ground(task.fingerprint, text)
        changed = changes(state.ground, now)
        if changed and not accept:
            listed = "\n".join(f"- {each}" for each in changed)
            raise SweepError(
                f"what sweep '{name}' stands on has changed:\n{listed}\n"
                f"Put it back (without {folder / SPEC} the journaled file is used), start a new sweep with --name, or "
                f"go on all the same: nvf resume {name} --accept-changes"
            )
        resumed = journal.append(
            "sweep_resumed",
            sync=True,
            spec=spec.model_dump(mode="json"),
            accepted=changed,
            ground=now if changed else None,
            clock={"host": platform.node(), "pid": os.getpid(), "snapshot": str(snapshot)},
        )
        replay.apply(state, resumed)
        if not state.floors:  # the driver died right after its first line
            searched = task.withhold(spec.cold, spec.search.seed)
            _write_floors(journal, state, measure_floors(searched, "dev", spec.measures()))
        return _run(spec, state, journal, snapshot, address, watch, say)


class NameTaken(SpecError):
    """A sweep of this name exists."""


def _check_systems(spec: Spec, task: Task) -> None:
    """Raise `SpecError` where a system cannot work on the task, naming those that can."""
    for name in spec.system:
        if (reason := SYSTEMS[name].applies_to(task)) is not None:
            fit = [each for each, kind in SYSTEMS.items() if kind.trained and kind.applies_to(task) is None]
            raise SpecError(f"system: '{name}' cannot search this task: {reason}; these can: {', '.join(fit)}")


def _write_floors(journal: events.Journal, state: replay.SweepState, found: Floors) -> None:
    event = journal.append("floors", sync=True, split="dev", floors=found.floors, ceilings=found.ceilings)
    replay.apply(state, event)


def _run(
    spec: Spec,
    state: replay.SweepState,
    journal: events.Journal,
    snapshot: Path,
    address: str | None,
    watch: Watch,
    say: Say,
) -> Result:
    folder = journal.path.parent
    projector = Projector(folder)
    projector.start()
    study = SearchStudy(spec, Space(spec, _misfit), state)
    conductor = Conductor(spec, state, journal, study, Place(snapshot, folder / CHECKPOINTS), watch)
    with signals.calling(conductor.interrupt):
        try:
            _tune(spec, conductor, address, say)
        except BaseException:
            with contextlib.suppress(JournalError):  # a full disk: the sweep counts as died, and goes on by nvf resume
                conductor.close("error")
            projector.close(timeout=2)
            if conductor.broken is not None:
                raise conductor.broken from None
            raise
        conductor.close()
        # A server that never answered is not waited for: `nvf sync` closes the gap.
        behind = projector.close(timeout=3 if conductor.interrupted or not projector.answered() else 30)
        if not conductor.interrupted:
            try:
                study.export(folder / "optuna.db")
            except SweepError as error:
                say(f"without the study for optuna-dashboard: {error}; nvf resume {spec.name} writes it")
        archive.keep(folder, spec.storage, say)
    return Result(state, projector.link(), behind)


def _misfit(at: KeyPath, error: NvfError | str) -> NoReturn:
    raise JournalError(f"the journaled spec no longer fits this nvf: {'.'.join(map(str, at))}: {error}")


def _tune(spec: Spec, conductor: Conductor, address: str | None, say: Say) -> None:
    """Run the conductor's trials under Ray Tune until there are no more, or the sweep is interrupted."""
    cluster = ray_session.cluster(address)
    say(f"ray: joining {cluster}" if cluster else "ray: starting")
    # Once more around the signals: Ray has put handlers of its own in their place.
    with ray_session.session(cluster) as nodes, signals.calling(conductor.interrupt), _scratch() as scratch:
        from ray import tune

        from nvf.sweep import memory_kills
        from nvf.sweep.scheduler import NvfScheduler, NvfSearcher, NvfStopper
        from nvf.sweep.trainable import NvfTrainable

        if conductor.interrupted:
            return
        memory_kills.understand()
        ray_session.keep_keys()
        slots = _slots(spec, nodes)
        say(f"ray: {slots} trial{'s' if slots > 1 else ''} at a time")
        wanted = {"cpu": spec.resources.cpu, **({"gpu": spec.resources.gpu} if spec.resources.gpu else {})}
        tuner = tune.Tuner(
            tune.with_resources(NvfTrainable, wanted),
            tune_config=tune.TuneConfig(
                search_alg=NvfSearcher(conductor),
                scheduler=NvfScheduler(conductor),
                num_samples=-1,
                max_concurrent_trials=slots,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name=spec.name,
                storage_path=str(scratch),
                stop=NvfStopper(conductor),
                failure_config=tune.FailureConfig(max_failures=LOSSES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                verbose=0,
            ),
        )
        tuner.fit()


def _slots(spec: Spec, nodes: Sequence[Mapping[str, float]]) -> int:
    """Return how many trials run at a time; one trial never spans two nodes."""
    wanted = {"CPU": spec.resources.cpu, "GPU": spec.resources.gpu}
    slots = sum(
        min(int(node.get(name, 0) / amount + 1e-9) for name, amount in wanted.items() if amount) for node in nodes
    )
    if slots < 1:
        there = " + ".join(f"{node.get('CPU', 0):g} CPU and {node.get('GPU', 0):g} GPU" for node in nodes)
        raise SweepError(
            f"one trial asks for {wanted['CPU']:g} CPU and {wanted['GPU']:g} GPU on one node, but Ray has {there}; "
            "lower `resources`"
        )
    return slots


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """Give Tune a folder for the state that it writes and nobody reads."""
    with tempfile.TemporaryDirectory(prefix="nvf-tune-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
