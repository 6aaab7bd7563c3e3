"""Confirming a sweep: its finalists are trained again over seeds, then judged once on the sealed test split.

What is trained is journaled as it ends, so a confirmation that is interrupted goes on where it was. The seal is opened,
and that is journaled, only when every training is in.
"""

from __future__ import annotations

import logging
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nvf import devices, progress
from nvf.errors import SweepError, TrackingError
from nvf.journal import cold
from nvf.journal.events import Journal
from nvf.journal.facts import Clock, Part, Published
from nvf.journal.folders import SweepFolder
from nvf.journal.kinds import ConfirmationStarted, Confirmed, Replicated, SealOpened
from nvf.journal.leaderboard import beats_floors, best_floor
from nvf.journal.replay import Confirmation, SweepState, TrialState, apply, replay
from nvf.journal.result import ConfirmationResult, Reigned
from nvf.registry.already import already
from nvf.registry.elsewhere import Elsewhere
from nvf.registry.finalists import choose, objective, order, plan
from nvf.registry.findings import by_view, compared, finalist, over_draws, pairwise, stability
from nvf.registry.judging import SPLIT, Judge, Trained
from nvf.registry.reigning import Reigning, reigning
from nvf.registry.searched import snapshot_of
from nvf.sweep.orders import Report
from nvf.sweep.replicate import carry_out
from nvf.systems import SYSTEMS
from nvf.tasks.base import Task
from nvf.tracking import archive
from nvf.tracking.sync import sync
from nvf.training import checkpoint
from nvf.training.record import Record

log = logging.getLogger(__name__)

WINDOWS = "R@50"
"""Measured besides where queries are windows: the research notes' Contain@50."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What is judged on, opened before the seal is, so that nothing can be amiss with it after."""

    sweep: SweepFolder
    state: SweepState
    task: Task
    judge: Judge
    elsewhere: Elsewhere | None
    model: str
    champion: Reigning | None

    @classmethod
    def of(cls, sweep: SweepFolder, state: SweepState, task: Task, model: str) -> Bench:
        """Return the bench of a sweep; raises `TaskError` where a task of `evaluate` cannot be judged."""
        spec = state.spec
        measures = [*spec.measures(), *([WINDOWS] if task.split(SPLIT).queries.vectors.ndim == 3 else [])]
        elsewhere = Elsewhere(task, spec.evaluate, measures) if spec.evaluate else None
        judge = Judge(task, measures, spec.cold)
        return cls(sweep, state, task, judge, elsewhere, model, reigning(model, task))


def confirm(
    name: str,
    *,
    top: int = 3,
    seeds: int = 5,
    trials: Sequence[int] = (),
    model: str | None = None,
    again: bool = False,
    address: str | None = None,
) -> ConfirmationResult:
    """Confirm the finalists of a sweep and return the result.

    Where they were confirmed over as many seeds before, what was found then is returned, and nothing is opened.

    Parameters
    ----------
    name
        The sweep.
    top
        How many of the best settings on dev are finalists.
    seeds
        Over how many seeds each is trained again.
    trials
        Numbers of the finalists; where given, `top` does not matter.
    model
        The registered model whose champion is judged besides; None for that of the sweep's own name.
    again
        Whether to train and judge them once more though they were confirmed.
    address
        A running Ray cluster, or None.

    Raises
    ------
    SweepError
        Where the sweep is running, has nothing to confirm, or a training failed.
    TaskError
        Where the task is not the one that the sweep searched.
    Interrupted, KeyboardInterrupt
        Where a signal ended it; the same call goes on.
    """
    sweep, beside = SweepFolder.find(name), model or name
    if sweep.running():
        raise SweepError(f"sweep '{name}' is running: confirm it when it has ended (or nvf stop {name})")
    with sweep.write("confirmation") as journal:
        state = replay(sweep.events())
        finalists = choose(state, top, trials)
        if not again and (known := already(sweep, state, finalists, seeds, beside)) is not None:
            return known
        _warn(state, finalists)
        snapshot, task = snapshot_of(state)
        with devices.using(state.spec.resources.gpu):
            bench = Bench.of(sweep, state, task, beside)
        current = _begin(journal, bench, finalists, seeds)
        _train(journal, bench, current, plan(state, finalists, seeds), snapshot, address)
        times = _open_test(journal, state, current)
        with devices.using(state.spec.resources.gpu):
            result = _judge(bench, current, finalists, times)
        apply(state, journal.append(Confirmed(confirmation=current.number, result=result), sync=True))
        _tidy(sweep, state)
    try:
        sync(sweep)
    except TrackingError as error:
        log.warning(f"MLflow is behind, which nvf sync {name} mends: {error}")
    archive.keep(sweep, state.spec.storage)
    return result


def _warn(state: SweepState, finalists: Sequence[TrialState]) -> None:
    """Warn where no finalist beats the floors on dev, before anything is trained."""
    best = [trial.best(state.objectives[0]) for trial in finalists]
    floor = best_floor(state)
    if floor is not None and not any(record and beats_floors(state, record) is not False for record in best):
        log.warning(f"no finalist beats the floor {floor[0]} on dev: the gates will hardly let one through")


def _begin(journal: Journal, bench: Bench, finalists: Sequence[TrialState], seeds: int) -> Confirmation:
    """Return the confirmation to go on with: the last one where it is unfinished and the same, else a new one."""
    known, numbers = bench.state.confirmations, [trial.number for trial in finalists]
    last = known[-1] if known else None
    asked = (None, numbers, seeds, cold.RULE)
    if last is not None and (last.ended, last.finalists, last.seeds, last.cold_by) == asked:
        last.replicates = {
            part: event
            for part, event in last.replicates.items()
            if event.checkpoint is not None and (bench.sweep.path / event.checkpoint.folder).is_dir()
        }
        log.info(f"confirmation {last.number}: going on, {len(last.replicates)} trainings are in")
        return last
    started = ConfirmationStarted(
        confirmation=len(known) + 1,
        finalists=numbers,
        seeds=seeds,
        cold_by=cold.RULE,
        model=bench.model,
        clock=_clock(),
    )
    apply(bench.state, journal.append(started, sync=True))
    return known[-1]


def _train(
    journal: Journal,
    bench: Bench,
    current: Confirmation,
    parts: Sequence[Part],
    snapshot: Path,
    address: str | None,
) -> None:
    """Train what is not in yet and journal it; raises where a training failed or a signal came."""
    sweep, state = bench.sweep, bench.state
    place = sweep.replicates / str(current.number)
    left = [part for part in parts if part not in current.replicates]
    failed: list[tuple[Part, str]] = []
    if not left:
        return

    def done(at: int, reports: list[Report]) -> None:
        part, last = left[at], reports[-1]
        record, checkpoint, error = None, None, last.error
        if error is None:
            record, checkpoint = _best(state, part, reports, sweep.path)
            error = None if checkpoint else "the disk is full: its checkpoint could not be published"
        event = Replicated(
            confirmation=current.number,
            part=part,
            record=record if checkpoint else None,
            checkpoint=checkpoint,
            error=error,
        )
        apply(state, journal.append(event, sync=True))
        if error is not None:
            failed.append((part, error))
            log.warning(f"trial {part.trial:04d}, seed {part.place}: the training failed")
        advance(1)

    log.info(f"{len(left)} trainings of {len(current.finalists)} finalists, {current.seeds} seeds each")
    with progress.reported("trainings", len(left)) as advance:
        if not carry_out([order(part, state, snapshot, place) for part in left], done, address=address):
            raise KeyboardInterrupt
    if failed:
        part, error = failed[0]
        raise SweepError(
            f"{len(failed)} of {len(parts)} trainings failed, so test stays sealed; trial {part.trial:04d}, seed "
            f"{part.place}: {error.strip().splitlines()[-1]}. The same command trains only what failed"
        )


def _best(state: SweepState, part: Part, reports: Sequence[Report], folder: Path) -> tuple[Record, Published | None]:
    """Return the best record on dev, and its checkpoint, seen from the sweep's folder; None where the disk was full."""
    records = [report.record for report in reports if report.record is not None]
    best = objective(state, withheld=part.withheld).best(records) or records[-1]
    published = reports[best.epoch].checkpoint
    if published is None:
        return best, None
    return best, replace(published, folder=Path(published.folder).relative_to(folder).as_posix())


def _open_test(journal: Journal, state: SweepState, current: Confirmation) -> int:
    """Journal the opening of test, once for each confirmation, and return how often it has been opened."""
    times = sum(each.opened for each in state.confirmations)
    if current.opened:
        log.info("test: it was opened when this confirmation was interrupted; judging now")
        return times
    times += 1
    opened = SealOpened(confirmation=current.number, times=times, finalists=current.finalists, clock=_clock())
    apply(state, journal.append(opened, sync=True))
    log.info(f"test: opened for the {_nth(times)} time by this sweep; judging")
    return times


def _judge(bench: Bench, current: Confirmation, finalists: Sequence[TrialState], times: int) -> ConfirmationResult:
    state, judge, measure = bench.state, bench.judge, bench.state.compared
    full, withheld = (
        {trial.number: _replicates(current, trial.number, withheld=each) for trial in finalists}
        for each in (False, True)
    )
    trained = {number: _trained(bench.sweep, each) for number, each in full.items()}
    drawn = {number: _trained(bench.sweep, each) for number, each in withheld.items()}
    champion = None if bench.champion is None else judge.system(bench.champion.system)
    judged = {number: judge.finalist(trained[number], drawn[number]) for number in full}
    untrained = judge.untrained(each.cold_seed for each in drawn[finalists[0].number])
    floors = {name: each for name, each in untrained.items() if SYSTEMS[name].role == "floor"}
    against = compared(judged, floors, measure)
    beside = compared(judged, {} if champion is None else {"champion": champion}, measure)

    def size(published: Published) -> int:
        return (bench.sweep.inside(published.folder) / checkpoint.MODEL).stat().st_size

    rows = [
        finalist(
            state,
            trial,
            full[trial.number],
            withheld[trial.number],
            judged[trial.number],
            against[trial.number],
            beside[trial.number].get("champion"),
            size,
        )
        for trial in finalists
    ]
    reigned = bench.champion
    return ConfirmationResult(
        sweep=state.name,
        measure=str(state.objectives[0]),
        compared=measure,
        split=SPLIT,
        task=bench.task.name,
        confirmation=current.number,
        opened=times,
        seeds=current.seeds,
        model=bench.model,
        cold=state.spec.cold,
        cold_by=cold.RULE,
        queries=judge.queries,
        floors={name: each.figures for name, each in floors.items()},
        ceilings={name: each.figures for name, each in untrained.items() if name not in floors},
        withheld_floors={name: over_draws(each.withheld) for name, each in floors.items()},
        stability=stability(rows),
        finalists=rows,
        pairwise=pairwise(by_view(judged, measure)),
        leaks=[leak for leak in state.started.task.leaks if leak.split == SPLIT],
        notes=state.started.task.notes,
        champion=None
        if reigned is None or champion is None
        else Reigned(reigned.model, reigned.version, reigned.name, champion.figures),
        evaluate=None if bench.elsewhere is None else bench.elsewhere.judge(trained, measure),
    )


def _trained(sweep: SweepFolder, replicates: Sequence[Replicated]) -> list[Trained]:
    return [
        Trained(sweep.inside(each.checkpoint.folder), each.checkpoint.digest, each.part.cold_seed)
        for each in replicates
        if each.checkpoint is not None
    ]


def _replicates(current: Confirmation, trial: int, *, withheld: bool) -> list[Replicated]:
    """Return the trainings of a finalist in the order of its seeds."""
    return [
        event
        for part, event in sorted(current.replicates.items(), key=lambda pair: pair[0].place)
        if (part.trial, part.withheld) == (trial, withheld)
    ]


def _tidy(sweep: SweepFolder, state: SweepState) -> None:
    """Delete the checkpoints that nobody needs any more: all but the champions of every confirmation."""
    results = [each.result for each in state.confirmations if each.result is not None]
    keep = {sweep.path / row.champion.checkpoint.folder for result in results for row in result.finalists}
    for place in sweep.replicates.glob("*/trial-*/*"):
        for published in place.glob("epoch-*"):
            if published not in keep:
                shutil.rmtree(published, ignore_errors=True)
        if not any(place.iterdir()):
            place.rmdir()


def _clock() -> Clock:
    return Clock(host=platform.node(), pid=os.getpid())


def _nth(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
