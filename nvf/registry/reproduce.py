"""A trial trained again from its record: whether the figures come out as they were journaled.

    report = reproduce("linear-nfcorpus/7")
    report.agreement.verdict                      # equal, close or different

Nothing is written but to a folder that is deleted again.
"""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mlflow.exceptions import MlflowException

from nvf.errors import SweepError, UsageError
from nvf.journal.facts import Git
from nvf.journal.folders import SweepFolder
from nvf.journal.kinds import RecordTaken, TrialStarted
from nvf.journal.replay import SweepState, TrialState, replay
from nvf.registry.agreement import TOLERANCE, Agreement, compare
from nvf.registry.searched import snapshot_of
from nvf.sweep import brought
from nvf.sweep.ground import changes, ground
from nvf.sweep.orders import Order, Report
from nvf.sweep.surroundings import commit, machine
from nvf.sweep.worker import Worker
from nvf.tracking import names, runs, server

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came out.

    Attributes
    ----------
    sweep, trial, system
        What was trained again.
    epochs
        Through which epoch: the last one that is journaled.
    threads
        On how many threads, then and now.
    agreement
        How the figures compare.
    checkpoints, same
        How many checkpoints were journaled, and how many came out the same, byte for byte.
    changed
        What has changed since: versions, code, commit, machine; a text for each.
    """

    sweep: str
    trial: int
    system: str
    epochs: int
    threads: int
    agreement: Agreement
    checkpoints: int
    same: int
    changed: list[str]


def reproduce(run: str, *, tolerance: float = TOLERANCE) -> Reproduction:
    """Train a trial again, through the last epoch that is journaled, and compare every figure.

    Parameters
    ----------
    run
        `SWEEP/TRIAL`, or the id of a trial's MLflow run.
    tolerance
        By how much figures may differ and still be close.

    Raises
    ------
    UsageError
        Where `run` names no trial.
    SweepError
        Where there is no such sweep or trial, where the trial has no record, or where it cannot be trained here.
    TaskError
        Where the task is not the one that the trial was trained on.
    TrackingError
        Where MLflow is asked and does not answer.
    """
    name, number = _named(run)
    found = SweepFolder.find(name).events()
    trial = _trial(replay(found), number)
    begun = next(event.n for event in found if isinstance(event, TrialStarted) and event.trial == number)
    # As the sweep stood when the trial began: a later resume may have accepted other versions, or another file.
    then = replay(found[: begun + 1])
    snapshot, task = snapshot_of(then)
    records = [event for event in found if isinstance(event, RecordTaken) and event.trial == number]
    now = ground(task.fingerprint, then.ground.spec_text, brought.packages(then.spec, then.ground))
    with tempfile.TemporaryDirectory(prefix="nvf-reproduce-") as scratch:
        at, measures = Path(scratch) / "checkpoints", tuple(then.started.measures)
        order = Order.of(then, trial, snapshot, at, params=trial.params, measures=measures)
        reports = [_told(report, order) for report in _again(order, trial, _halved(trial))]
    pairs = [
        (event.checkpoint.digest, report.checkpoint.digest)
        for event, report in zip(records, reports, strict=True)
        if event.checkpoint is not None and report.checkpoint is not None
    ]
    return Reproduction(
        sweep=name,
        trial=number,
        system=trial.system,
        epochs=trial.epoch,
        threads=max(1, int(order.cpu)),
        agreement=compare(trial.records, [report.record for report in reports if report.record is not None], tolerance),
        checkpoints=len(pairs),
        same=sum(journaled == made for journaled, made in pairs),
        changed=[*changes(then.ground, now), *_elsewhere(then, records[-1])],
    )


def _named(run: str) -> tuple[str, int]:
    """Return sweep and trial of `SWEEP/TRIAL`, or of an MLflow run."""
    if found := re.fullmatch(r"(.+)/(\d{1,9})", run):
        return found[1], int(found[2])
    if not re.fullmatch(r"[0-9a-f]{32}", run):
        raise UsageError(f"'{run}' names no trial; write SWEEP/TRIAL, e.g. quickstart/7, or the id of an MLflow run")
    with server.connected() as mlflow:
        try:
            tags = mlflow.get_run(run).data.tags
        except MlflowException as error:
            if error.error_code not in runs.GONE:
                raise
            raise UsageError(f"MLflow has no run {run}; `nvf list` shows the sweeps that are here") from None
    if names.SWEEP not in tags or names.TRIAL not in tags:
        raise UsageError(f"run {run} is not that of a trial; write SWEEP/TRIAL, or the id of a trial's run")
    name = tags[names.SWEEP]
    if runs.identity(SweepFolder.find(name).state()) != tags[names.STARTED]:
        raise SweepError(f"run {run} is of another sweep that was named '{name}'; its journal is not here")
    return name, int(tags[names.TRIAL])


def _trial(state: SweepState, number: int) -> TrialState:
    trial = state.trial(number)
    if not trial.records:
        raise SweepError(
            f"trial {number} of sweep '{state.name}' has no record, so there is nothing to compare with"
            + (f": it {trial.outcome}, {trial.error}" if trial.error else "")
        )
    return trial


def _halved(trial: TrialState) -> int:
    """Return the epoch after which the trial went on with half the batch; its last one where it never did."""
    return next((fault.epoch for fault in trial.faults if fault.params), trial.epoch)


def _again(order: Order, trial: TrialState, halved: int) -> Iterator[Report]:
    """Yield a report for each journaled epoch; after epoch `halved` the trial goes on with half the batch."""
    worker, report = Worker(order), None
    for _ in range(halved + 1):
        report = worker.step()
        yield report
    if halved == trial.epoch:
        return
    digests = {halved: report.checkpoint.digest} if report is not None and report.checkpoint is not None else {}
    point = None if halved < 0 else halved
    worker = Worker(replace(order, params=trial.settings, resume=point, digests=digests, halved=True))
    for _ in range(trial.epoch - halved):
        yield worker.step()


def _told(report: Report, order: Order) -> Report:
    if report.record is None:
        raise SweepError(f"trial {order.trial} does not train here as it did: {report.error}")
    log.info(f"epoch {report.record.epoch} of {order.epochs}")
    return report


def _elsewhere(then: SweepState, last: RecordTaken) -> Iterator[str]:
    """Yield what differs of commit and machine, as far as the journal says."""
    before, now = then.started.git, commit()
    if before is not None and before != now:
        yield f"the commit: was {_shown(before)} and is {'unknown' if now is None else _shown(now)}"
    for name, value in machine().items():
        journaled = getattr(last.clock, name)
        if journaled not in (None, value):
            yield f"the machine's {name}: was {journaled} and is {value}"


def _shown(git: Git) -> str:
    return f"{git.commit[:12]}{' with changes' if git.dirty else ''}"
