"""From a trial or a confirmed finalist, through the gates, to a model version behind an alias."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlflow import MlflowClient

from nvf import devices
from nvf.errors import UsageError
from nvf.journal.folders import SweepFolder
from nvf.journal.kinds import Promoted
from nvf.measures.evaluate import depth, evaluate
from nvf.measures.significance import compare
from nvf.registry import gates, named, versions
from nvf.registry.alias import look, move
from nvf.registry.candidates import Candidate, choose
from nvf.registry.cautions import cautions
from nvf.registry.gates import Verdict
from nvf.registry.judging import SPLIT
from nvf.registry.moves import Detail
from nvf.registry.next_steps import confirmed_first
from nvf.registry.register import draft, run_of
from nvf.registry.retriever import Retriever
from nvf.spec.form import Gates
from nvf.systems.base import System
from nvf.systems.ranking import rank_split
from nvf.tracking import archive, names, server, views
from nvf.tracking.sync import sync
from nvf.training import checkpoint
from nvf.types import Figures, FloatArray


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
    name: str | SweepFolder,
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
    sweep = name if isinstance(name, SweepFolder) else SweepFolder.find(name)
    registered = model or sweep.name
    versions.check_names(registered, alias)
    if force is not None and not force.strip():
        raise UsageError("--force needs a reason, which is written down: --force 'the raw floor is not served'")
    state = sweep.state()
    chosen, row = choose(state, trial)
    if row is None and force is None:
        again = ["nvf", "promote", sweep.name, *(["--trial", str(trial)] if trial is not None else [])]
        again += ["--model", model] if model else []
        confirmed_first(state, chosen, alias, again, running=sweep.running())
    candidate = Candidate.of(sweep, state, chosen, row)
    with versions.connected() as client, devices.using(state.spec.resources.gpu):
        since = look(client, registered, alias)
        run = run_of(client, candidate)
        said = _verdicts(client, registered, since.version, candidate)
        if gates.guarded(alias, state.spec.gates) and force is None:
            gates.check(said, state.spec.gates, f"trial {chosen.number:04d} of {sweep.name}")
        warned = cautions(candidate)
        with draft(client, run, registered, candidate, since.version, said, force, warned) as number:
            detail = _detail(candidate)
            moved = move(client, registered, alias, since, number, "promote", forced=force, detail=detail)
    promoted = Promoted(trial=chosen.number, model=registered, version=number, alias=alias, forced=force)
    _write_down(sweep, promoted, state.spec.storage)
    return Promotion(
        sweep=sweep.name,
        trial=chosen.number,
        system=chosen.system,
        epoch=candidate.record.epoch,
        model=registered,
        version=number,
        alias=alias,
        previous=moved.before,
        figures=candidate.record.figures,
        floors=state.floors,
        test=candidate.test,
        test_mean=candidate.mean,
        gates=said,
        forced=force,
        cautions=warned,
        link=f"{server.ui_address()}/#/models/{registered}/versions/{number}?{views.TRAINING}",
    )


def _verdicts(client: MlflowClient, model: str, reigning: int | None, candidate: Candidate) -> list[Verdict]:
    """Return what every gate says; nothing where the candidate was not confirmed.

    `reigning` is the version of `model` that would be replaced, or None.
    """
    if candidate.row is None or candidate.result is None:
        return []
    asked = candidate.state.spec.gates
    size = (candidate.folder / checkpoint.MODEL).stat().st_size
    found = gates.verdicts(candidate.row, candidate.result, asked, size)
    return found if reigning is None else [*found, *_against(client, model, reigning, candidate, asked)]


def _against(client: MlflowClient, model: str, reigning: int, candidate: Candidate, asked: Gates) -> Iterator[Verdict]:
    """Not worse than the reigning version on the same test queries: the interval lies above minus the margin.

    The confirmation says it where this version reigned then. Where another does by now, both are ranked anew, which
    opens nothing: the candidate was confirmed on this split.
    """
    if asked.champion_margin is None:
        return
    row, result = candidate.row, candidate.result
    known = None if result is None else result.champion
    if row and result and known and (known.model, known.version) == (model, reigning):
        yield from gates.champion(row, result, asked)
        return
    version = client.get_model_version(model, str(reigning))
    if version.tags.get(names.FINGERPRINT) != candidate.task.fingerprint:
        task = version.tags.get(names.TASK, "another task")
        said = f"against version {reigning}, which was trained on other data ({task}): choose another --model"
        yield Verdict("champion", "undecided", said)
        return
    theirs = Retriever.of_model(versions.fetch(client, version)).system
    ours = checkpoint.restore_system(candidate.folder, candidate.task.corpus, digest=candidate.digest)
    line = compare(_per_query(ours, candidate), _per_query(theirs, candidate))
    other = f"version {reigning}, {candidate.state.compared} of one checkpoint each"
    yield gates.difference("champion", line, -asked.champion_margin, other)


def _per_query(system: System, candidate: Candidate) -> FloatArray:
    """Return (Q,) the compared figure of every test query."""
    measure, split = candidate.state.compared, candidate.task.split(SPLIT)
    ranking = rank_split(system, split, depth([measure]))
    return evaluate(ranking, split, None, [measure]).per_query["all"][measure]


def _write_down(sweep: SweepFolder, promoted: Promoted, storage: str | None) -> None:
    """Journal the promotion and bring MLflow and the storage level, unless a driver does so; it holds the journal."""
    with sweep.alone() as idle:
        if idle:
            with sweep.write("promotion") as journal:
                journal.append(promoted, sync=True)
            sync(sweep)
            archive.keep(sweep, storage)


def _detail(candidate: Candidate) -> Detail:
    """What the history says of a version: where it comes from, and its first figures."""
    measure = candidate.state.compared
    split, views = ("dev", candidate.record.figures) if candidate.test is None else ("test", candidate.test)
    return Detail(
        sweep=candidate.state.name,
        trial=candidate.trial.number,
        system=candidate.trial.system,
        figures={f"{split} {view} {measure}": round(by[measure], 6) for view, by in views.items()},
    )
