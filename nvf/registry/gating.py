"""The gates put to a candidate: was it confirmed, what does the confirmation say, is it worse than the champion?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from mlflow import MlflowClient

from nvf.errors import GateRefused
from nvf.journal.kinds import Event
from nvf.journal.replay import SweepState, TrialState
from nvf.measures.evaluate import depth, evaluate
from nvf.measures.significance import compare
from nvf.registry import gates, named, versions
from nvf.registry.candidates import Candidate
from nvf.registry.confirmations import last_result
from nvf.registry.findings import measure_of
from nvf.registry.gates import Verdict
from nvf.registry.judging import SPLIT
from nvf.registry.next_steps import Advice, Step, lines, next_steps
from nvf.registry.retriever import Retriever
from nvf.spec.form import Gates
from nvf.systems.base import System
from nvf.systems.ranking import rank_split
from nvf.tracking import names
from nvf.training import checkpoint
from nvf.types import FloatArray


def guarded(alias: str, asked: Gates) -> bool:
    """Return whether the gates may refuse an alias: the champion's, and every one with `gates: {confirmed: true}`."""
    return alias == named.ALIAS or asked.confirmed


def confirmed_first(
    state: SweepState, trial: TrialState, events: Sequence[Event], alias: str, again: Sequence[str], *, running: bool
) -> None:
    """Refuse a trial that was never confirmed where `alias` is the champion's, or the sweep file asks for it always.

    Raises `GateRefused` with what to run: `again` is the command that was given, without alias and force, and `running`
    whether a driver is at work on the sweep.
    """
    asked = state.spec.gates
    if not guarded(alias, asked):
        return
    command = shlex.join([*again, "--alias", alias] if alias != named.ALIAS else again)
    others = [Step("force", f"{command} --force 'why'")]
    if not asked.confirmed:
        others.insert(0, Step("beside", shlex.join([*again, "--alias", "candidate"])))
    if last_result(events) is None:
        advice = next_steps(state, events, running=running)
    else:
        advice = Advice([], [Step("confirm", f"nvf confirm {state.name} --trial {trial.number}")])
    said = f"trial {trial.number:04d} of {state.name} becomes no {alias}: it was not confirmed on test"
    raise GateRefused("\n".join([said, *advice.why, *lines([*advice.steps, *others])]))


def verdicts(
    client: MlflowClient, model: str, reigning: int | None, candidate: Candidate, alias: str, *, forced: bool
) -> list[Verdict]:
    """Return what every gate says, or raise `GateRefused` where one says no, guards `alias` and is not overruled.

    `reigning` is the version of `model` that would be replaced, or None; where `forced`, verdicts are only recorded.
    """
    asked = candidate.state.spec.gates
    name, number = candidate.state.name, candidate.trial.number
    if candidate.row is None or candidate.result is None:
        return []
    size = (candidate.folder / checkpoint.MODEL).stat().st_size
    found = gates.verdicts(candidate.row, candidate.result, asked, size)
    if reigning is not None:
        found += against(client, model, reigning, candidate, asked)
    if guarded(alias, asked) and not forced:
        gates.check(found, asked, f"trial {number:04d} of {name}")
    return found


def against(client: MlflowClient, model: str, reigning: int, candidate: Candidate, asked: Gates) -> Iterator[Verdict]:
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
    other = f"version {reigning}, {measure_of(candidate.state)} of one checkpoint each"
    yield gates.difference("champion", line, -asked.champion_margin, other)


def _per_query(system: System, candidate: Candidate) -> FloatArray:
    """Return (Q,) the compared figure of every test query."""
    measure, split = measure_of(candidate.state), candidate.task.split(SPLIT)
    ranking = rank_split(system, split, depth([measure]))
    return evaluate(ranking, split, None, [measure]).per_query["all"][measure]
