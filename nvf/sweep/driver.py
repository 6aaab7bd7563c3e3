"""A sweep from its file to its end: task, floors, journal, Ray, tracking."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nvf import devices
from nvf.errors import JournalError, SweepError
from nvf.journal import events, replay
from nvf.journal.folders import SweepFolder
from nvf.journal.kinds import FloorsMeasured, SweepResumed
from nvf.spec.form import Misfit, Spec
from nvf.sweep import beginning, brought, looking, ray_session, resuming, signals
from nvf.sweep.conductor import LOSSES, Conductor, Place
from nvf.sweep.ground import changes, ground
from nvf.sweep.space import Space
from nvf.sweep.study import SearchStudy
from nvf.tasks.snapshot import open_snapshot
from nvf.tracking import archive
from nvf.tracking.projector import Projector
from nvf.training.floors import Floors, measure_floors

log = logging.getLogger(__name__)

Watch = Callable[[replay.SweepState], None]


@dataclass(frozen=True, slots=True)
class Result:
    """How a sweep ended: its state, and its link into the MLflow UI, or None where that was never reached.

    MLflow has not been told of `behind` events; `nvf sync` closes the gap.
    """

    state: replay.SweepState
    link: str | None
    behind: int


def start(spec: Spec, text: str, overrides: Sequence[str] = (), *, address: str | None = None, watch: Watch) -> Result:
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

    Raises
    ------
    NameTaken
        Where a sweep of this name exists.
    SweepError
        Where Ray does not start, the cluster cannot be joined, or one trial asks for more than a node has.
    StorageError
        Where the spec's storage does not answer.
    TaskError
        Where the data cannot be searched.
    Interrupted
        Where a signal came before the first trial: nothing but caches is left behind.
    """
    sweep = SweepFolder.named(spec.name)
    beginning.check_name(sweep)
    spec = resuming.placed(spec, Path.cwd())
    with contextlib.ExitStack() as session:
        with signals.raising():
            cluster = ray_session.cluster(address)
            ray_session.look(cluster, spec.resources.cpu, spec.resources.gpu)
            if spec.storage is not None:
                archive.check(spec.storage)
            if repeats := Space(spec).repeats(spec.search.trials):
                log.info(repeats)
            with devices.using(spec.resources.gpu) as device:
                _where(spec, device)
                snapshot, task, floors = beginning.prepare(spec)
            ray = _join(session, spec, cluster)
        with beginning.begin(sweep) as journal:
            sweep.spec.write_text(text, encoding="utf-8")
            started = journal.append(beginning.first_event(spec, text, overrides, snapshot, task, floors))
            state = replay.replay([started])
            _write_floors(journal, state, floors)
            return _run(spec, state, journal, sweep, snapshot, ray, watch)


def resume(
    name: str,
    *,
    trials: int | None = None,
    time: float | None = None,
    accept: bool = False,
    allow: Collection[str] = (),
    address: str | None = None,
    watch: Watch,
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
    allow
        What may be loaded of that which its journal names as `module:Class`.
    address, watch
        As of `start`.

    Raises
    ------
    JournalError
        Where the journal is damaged, cut off, or held by another process.
    SweepError
        Where what the sweep stands on has changed, and that was not accepted; where a system cannot search the task.
    """
    sweep = SweepFolder.find(name)
    with contextlib.ExitStack() as session, sweep.write() as journal:
        state = resuming.whole(sweep)
        text = resuming.text(sweep, state)
        spec = state.spec
        brought.allow(spec, name, allow)
        if accept and text != state.ground.spec_text:
            spec = resuming.edited(sweep, state, allow)
        spec = resuming.extended(spec, state, trials, time)
        packages = brought.packages(spec, state.ground)
        with signals.raising():
            cluster = ray_session.cluster(address)
            ray_session.look(cluster, spec.resources.cpu, spec.resources.gpu)
            log.info(f"task: {spec.task['source']}")
            with devices.using(spec.resources.gpu):
                snapshot = resuming.snapshot(spec, state)
        task = open_snapshot(snapshot)
        looking.check_systems(spec, task)
        now = ground(task.fingerprint, text, packages)
        changed = changes(state.ground, now)
        if changed and not accept:
            listed = "\n".join(f"- {each}" for each in changed)
            raise SweepError(
                f"what sweep '{name}' stands on has changed:\n{listed}\n"
                f"Put it back (without {sweep.spec} the journaled file is used), start a new sweep with --name, or "
                f"go on all the same: nvf resume {name}{''.join(f' --allow {each}' for each in allow)} --accept-changes"
            )
        with signals.raising():
            ray = _join(session, spec, cluster)
        resumed = SweepResumed(
            spec=spec, accepted=changed, ground=now if changed else None, clock=beginning.clock(snapshot)
        )
        replay.apply(state, journal.append(resumed, sync=True))
        if not state.floors:  # the driver died right after its first line
            searched = task.withhold(spec.cold, spec.search.seed)
            with devices.using(spec.resources.gpu):
                _write_floors(journal, state, measure_floors(searched, "dev", spec.measures()))
        return _run(spec, state, journal, sweep, snapshot, ray, watch)


def _where(spec: Spec, device: str) -> None:
    """Say where the GPU that trials get is not here: a cluster's driver may have none."""
    if spec.resources.gpu > 0 and device == devices.CPU:
        log.info(f"texts and floors: on this machine's CPU, for {devices.lacking()}")


class _Ray(NamedTuple):
    """A session that was entered: how many trials run in it at a time, and what leaves it."""

    slots: int
    leave: Callable[[], None]


def _join(session: contextlib.ExitStack, spec: Spec, cluster: str | None) -> _Ray:
    """Enter a Ray session: before there is anything in the journal, for it may not come up."""
    log.info(f"ray: joining {cluster}" if cluster else "ray: starting")
    nodes = session.enter_context(ray_session.session(cluster))
    slots = ray_session.slots(spec.resources.cpu, spec.resources.gpu, nodes)
    log.info(f"ray: {slots} trial{'s' if slots > 1 else ''} at a time")
    return _Ray(slots, session.close)


def _write_floors(journal: events.Journal, state: replay.SweepState, found: Floors) -> None:
    replay.apply(state, journal.append(FloorsMeasured(floors=found.floors, ceilings=found.ceilings), sync=True))


def _run(
    spec: Spec,
    state: replay.SweepState,
    journal: events.Journal,
    sweep: SweepFolder,
    snapshot: Path,
    ray: _Ray,
    watch: Watch,
) -> Result:
    """Run the trials, leave Ray, and bring everything to its end."""
    projector = Projector(sweep)
    projector.start()
    try:
        study = SearchStudy(spec, state)
    except Misfit as error:
        raise JournalError(f"the journaled spec no longer fits this nvf: {error}") from None
    conductor = Conductor(spec, state, journal, study, Place(snapshot, sweep.checkpoints), watch)
    with signals.calling(conductor.interrupt):
        try:
            _tune(spec, conductor, ray.slots)
            ray.leave()
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
                study.export(sweep.study)
            except SweepError as error:
                log.warning(f"without the study for optuna-dashboard: {error}; nvf resume {spec.name} writes it")
        archive.keep(sweep, spec.storage)
    return Result(state, projector.link(), behind)


def _tune(spec: Spec, conductor: Conductor, slots: int) -> None:
    """Run the conductor's trials under Ray Tune until there are no more, or the sweep is interrupted."""
    with _scratch() as scratch:
        from pyarrow.fs import LocalFileSystem
        from ray import tune

        from nvf.sweep import memory_kills
        from nvf.sweep.scheduler import NvfScheduler, NvfSearcher, NvfStopper
        from nvf.sweep.trainable import NvfTrainable

        if conductor.interrupted:
            return
        memory_kills.understand()
        ray_session.keep_keys()
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
                storage_filesystem=LocalFileSystem(),  # else the path is read as an address
                stop=NvfStopper(conductor),
                failure_config=tune.FailureConfig(max_failures=LOSSES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                verbose=0,
                progress_reporter=tune.CLIReporter(),  # says nothing; by default a notebook's output is cleared
            ),
        )
        tuner.fit()


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """Give Tune a folder for the state that it writes and nobody reads."""
    with tempfile.TemporaryDirectory(prefix="nvf-tune-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
