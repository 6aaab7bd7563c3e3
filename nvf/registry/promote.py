"""From a trial or a confirmed finalist, through the gates, to a model version behind an alias."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from nvf import devices
from nvf.errors import UsageError
from nvf.journal import folders
from nvf.journal.events import Journal, read
from nvf.journal.kinds import Promoted
from nvf.journal.replay import SweepState, TrialState
from nvf.journal.result import Finalist
from nvf.registry import named, versions
from nvf.registry.alias import look, move
from nvf.registry.candidates import Candidate, choose
from nvf.registry.cautions import cautions
from nvf.registry.findings import measure_of
from nvf.registry.gates import Verdict
from nvf.registry.gating import confirmed_first, verdicts
from nvf.registry.moves import Detail
from nvf.registry.register import draft
from nvf.tracking import archive, server, views
from nvf.tracking.sync import sync
from nvf.types import Figures

LOCK = ".promoting.lock"
"""In the sweep's folder."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """What was promoted.

    Attributes
    ----------
    sweep, trial, system, epoch
        Where it comes from: the trial's best epoch, or that of the confirmation's median seed.
    model, version, alias
        Where it went.
    previous
        The version that the alias pointed to before, or None.
    figures, floors
        On dev: of the epoch, and of each floor.
    test
        On test: all and clean of the checkpoint, cold the mean over the draws; None where it was not confirmed.
    test_mean
        On test, the mean over the trainings; None where there was one, or it was not confirmed.
    gates
        What each gate said; none where it was not confirmed.
    forced
        Why a gate was overruled, or None.
    cautions
        What remains unproven.
    link
        Into the MLflow UI.
    """

    sweep: str
    trial: int
    system: str
    epoch: int
    model: str
    version: int
    alias: str
    previous: int | None
    figures: Figures
    floors: dict[str, Figures]
    test: Figures | None
    test_mean: Figures | None
    gates: list[Verdict]
    forced: str | None
    cautions: list[str]
    link: str


def promote(
    name: str,
    *,
    trial: int | None = None,
    model: str | None = None,
    alias: str = named.ALIAS,
    force: str | None = None,
) -> Promotion:
    """Ask the gates, register the checkpoint as a model version, check that it ranks as it did, move the alias.

    Of a confirmed sweep it is the finalist that is best on dev, by the mean over its seeds: test chooses nothing. A
    trial that was never confirmed does not become the champion. Under any other alias the gates are only told, unless
    `gates.confirmed` says no.

    Parameters
    ----------
    name
        The sweep.
    trial
        A trial's number; by default as above.
    model
        Name of the registered model; by default the sweep's.
    alias
        The alias that shall point to the new version.
    force
        A reason to overrule the gates; it is written down. That the model ranks as it did is never overruled.

    Raises
    ------
    GateRefused
        Where the trial was not confirmed, a gate says no, or the registered model does not rank as the checkpoint does;
        no version remains.
    PromotionLost
        Where somebody else moved the alias meanwhile; no version remains.
    SweepError
        Where there is no such sweep or trial, or no checkpoint to promote.
    CheckpointError
        Where the checkpoint is missing or damaged.
    TaskError
        Where the task is not the one that the sweep searched.
    TrackingError
        Where MLflow does not answer.
    """
    folder, registered = folders.find(name), model or name
    versions.check_names(registered, alias)
    if force is not None and not force.strip():
        raise UsageError("--force needs a reason, which is written down: --force 'the raw floor is not served'")
    events = read(folder)
    again = ["nvf", "promote", name, *(["--trial", str(trial)] if trial is not None else [])]
    again += ["--model", model] if model else []

    def check(state: SweepState, chosen: TrialState, row: Finalist | None) -> None:
        if row is None and force is None:
            confirmed_first(state, chosen, events, alias, again, running=folders.running(folder))

    candidate = choose(folder, events, trial, check)
    with versions.connected() as client:
        since = look(client, registered, alias)
        with _alone(folder) as idle:
            if idle:
                sync(folder)
        warned = cautions(candidate)
        with devices.using(candidate.state.spec.resources.gpu):
            said = verdicts(client, registered, since.version, candidate, alias, forced=force is not None)
            with draft(client, registered, candidate, since.version, said, force, warned) as number:
                detail = _detail(candidate)
                moved = move(client, registered, alias, since, number, "promote", forced=force, detail=detail)
    with _alone(folder) as idle:
        if idle:
            journal, _ = Journal.open(folder, "promotion")
            with journal:
                at = Promoted(trial=candidate.trial.number, model=registered, version=number, alias=alias, forced=force)
                journal.append(at, sync=True)
            sync(folder)
            archive.keep(folder, candidate.state.spec.storage)
    return Promotion(
        sweep=name,
        trial=candidate.trial.number,
        system=candidate.trial.system,
        epoch=candidate.record.epoch,
        model=registered,
        version=number,
        alias=alias,
        previous=moved.before,
        figures=candidate.record.figures,
        floors=candidate.state.floors,
        test=candidate.test,
        test_mean=candidate.mean,
        gates=said,
        forced=force,
        cautions=warned,
        link=f"{server.ui_address()}/#/models/{registered}/versions/{number}?{views.TRAINING}",
    )


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Wait until no other promotion is at this sweep's journal; yield whether no driver is at it either."""
    with FileLock(folder / LOCK):
        yield not folders.running(folder)


def _detail(candidate: Candidate) -> Detail:
    """What the history says of a version: where it comes from, and its first figures."""
    measure = measure_of(candidate.state)
    split, views = ("dev", candidate.record.figures) if candidate.test is None else ("test", candidate.test)
    return Detail(
        sweep=candidate.state.name,
        trial=candidate.trial.number,
        system=candidate.trial.system,
        figures={f"{split} {view} {measure}": round(by[measure], 6) for view, by in views.items()},
    )
