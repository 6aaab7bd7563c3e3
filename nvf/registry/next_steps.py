"""What to run next: from a sweep's journal to the commands that make sense for what it holds."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nvf.errors import GateRefused
from nvf.journal import cold
from nvf.journal.kinds import Confirmed, Promoted
from nvf.journal.leaderboard import beats_floors, best_floor, leaderboard
from nvf.journal.replay import Confirmation, SweepState, TrialState
from nvf.journal.result import ConfirmationResult, Finalist
from nvf.plugins import is_code
from nvf.registry import gates
from nvf.registry.named import ALIAS

FUSES = "fused"
"""The system that adds BM25's score to that of a dense one: what to try where the floors are hard to beat."""
WORDS = ("bm25", "hybrid")
"""Floors that there are only where the task has texts."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: a word for it, and the command."""

    label: str
    command: str


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do next: lines that say where the sweep stands, and what to run, the likeliest first."""

    why: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def lines(steps: Sequence[Step]) -> list[str]:
    """Return the steps as they are printed, their commands aligned.

    >>> lines([Step("more", "nvf resume a --trials 8"), Step("confirm", "nvf confirm a")])
    ['more     nvf resume a --trials 8', 'confirm  nvf confirm a']
    """
    width = max((len(step.label) for step in steps), default=0)
    return [f"{step.label:<{width}}  {step.command}" for step in steps]


def next_steps(state: SweepState, *, running: bool) -> Advice:
    """Return what to do next with a sweep, given whether a driver or confirmation is at work on it."""
    name = state.name
    if running:
        stop = [Step("stop", f"nvf stop {name}")] if state.status == "running" else []  # a confirmation is no driver
        return Advice([], [Step("watch", f"nvf status {name}"), *stop])
    if state.status == "running":
        return Advice(["its driver died"], [Step("go on", resumes(state))])
    if state.status == "paused" and state.reason != "time":
        why = [f"stopped: {state.error}; when that is mended:"] if state.error else []
        return Advice(why, [Step("go on", resumes(state))])
    best = _best(state)
    if best is None:
        why = ["no trial has a figure; mend what failed, then sweep it under another name"]
        return Advice(why, [Step("again", f"nvf sweep SPEC --name {name}-2")])
    if state.confirmations and state.confirmations[-1].ended is None:
        return Advice(["its confirmation was interrupted"], [Step("go on", goes_on(state))])
    done = state.confirmed
    if done is None or done.ended is None or done.result is None:
        return _unconfirmed(state, best)
    return _confirmed(state, done, done.ended, done.result, best)


def confirmed_first(state: SweepState, trial: TrialState, alias: str, again: Sequence[str], *, running: bool) -> None:
    """Refuse a trial that was never confirmed where the gates guard `alias`.

    Raises `GateRefused` with what to run: `again` is the command that was given, without alias and force, and `running`
    whether a driver is at work on the sweep.
    """
    asked = state.spec.gates
    if not gates.guarded(alias, asked):
        return
    command = shlex.join([*again, "--alias", alias] if alias != ALIAS else again)
    others = [Step("force", f"{command} --force 'why'")]
    if not asked.confirmed:
        others.insert(0, Step("beside", shlex.join([*again, "--alias", "candidate"])))
    advice = Advice([], [Step("confirm", f"nvf confirm {state.name} --trial {trial.number}")])
    if state.confirmed is None:
        advice = next_steps(state, running=running)
    said = f"trial {trial.number:04d} of {state.name} becomes no {alias}: it was not confirmed on test"
    raise GateRefused("\n".join([said, *advice.why, *lines([*advice.steps, *others])]))


def _unconfirmed(state: SweepState, best: TrialState) -> Advice:
    record, floor = best.best(state.objectives[0]), best_floor(state)
    promoted = _promoted(state)
    asked = _asking(state, promoted) if promoted is not None else []
    if record is not None and floor is not None and beats_floors(state, record) is False:
        why = [f"nothing to confirm or promote yet: no trial beats the floor {floor[0]} on dev"]
        if floor[1] >= 1:
            return Advice([*why, "that floor is perfect there: more dev queries, or harder ones, would tell"], asked)
        return Advice(why, [*asked, *_tries(state, best)])
    if code := _code(state):
        why = [f"to confirm it, make a package of {' and '.join(code)}: docs/extending.md"]
        return Advice(why, [_more(state)])
    return Advice([], [*asked, Step("confirm", f"nvf confirm {state.name}"), _more(state)])


def _confirmed(
    state: SweepState, done: Confirmation, ended: Confirmed, result: ConfirmationResult, best: TrialState
) -> Advice:
    promoted = _promoted(state, ended.n)
    asked = _asking(state, promoted) if promoted is not None else []
    if best.number not in done.finalists and best.last > ended.n:
        why = [f"trial {best.number:04d} is better on dev than those that were confirmed"]
        return Advice(why, [Step("confirm", f"nvf confirm {state.name}"), *asked])
    if cold.outdated(result):
        return Advice([cold.SAID], [Step("confirm", f"nvf confirm {state.name}"), *asked])
    if promoted is not None:
        return Advice([], [*asked, _more(state)])
    row = result.leading(state.objectives[0])
    if row is None or not (refused := _refused(state, row, result)):
        return Advice([], [Step("promote", f"nvf promote {state.name}"), _more(state)])
    why = [f"trial {row.trial:04d} would not be promoted:", *refused]
    return Advice(why, [*_tries(state, best), Step("force", f"nvf promote {state.name} --force 'why'")])


def _refused(state: SweepState, row: Finalist, result: ConfirmationResult) -> list[str]:
    """Return a line for each gate that says no to a finalist."""
    asked = state.spec.gates
    found = gates.verdicts(row, result, asked, row.champion.bytes)
    return gates.lines(gates.refusals([*found, *gates.champion(row, result, asked)], asked))


def _tries(state: SweepState, best: TrialState) -> Iterator[Step]:
    """Yield what may find a better one: another system, more trials, longer ones."""
    if FUSES not in _systems(state) and any(floor in state.floors for floor in WORDS):
        yield Step("try", f"system: {FUSES} in the sweep file, under another name; see nvf systems")
    record = best.best(state.objectives[0])
    if record is not None and 0 < best.epochs == record.epoch:
        yield Step("longer", f"nvf sweep SPEC --name {state.name}-2 --set budget.epochs={2 * best.epochs}")
    yield _more(state)


def _systems(state: SweepState) -> set[str]:
    """Return the systems of the space, also those that no trial has drawn yet."""
    return {*state.spec.system, *(trial.system for trial in state.trials.values())}


def _more(state: SweepState) -> Step:
    longer = "--time 30m" if state.reason == "time" else f"--trials {2 * len(state.trials)}"
    return Step("more", f"{resumes(state)} {longer}")


def resumes(state: SweepState) -> str:
    """Return the command that goes on; what only a journal names as `module:Class` has to be allowed."""
    return " ".join([f"nvf resume {state.name}", *(f"--allow {name}" for name in _code(state))])


def _code(state: SweepState) -> list[str]:
    """Return what the sweep names as `module:Class`."""
    sources = (str(options.get("source")) for options in (state.spec.task, *state.spec.evaluate))
    return sorted({name for name in (*state.spec.system, *sources) if is_code(name)})


def _asking(state: SweepState, promoted: Promoted) -> list[Step]:
    """Return what to do with a champion; one over bare vectors cannot be asked in words."""
    where = f"models:/{promoted.model}@{promoted.alias}"
    ask = [Step("ask", f'nvf search "how do I ..." --model {where}')] if state.started.task.encoder else []
    return [*ask, Step("card", f"nvf card {promoted.model}")]


def goes_on(state: SweepState) -> str:
    """Return the command that goes on with the last confirmation of a sweep, or begins one."""
    last = state.confirmations[-1] if state.confirmations else None
    if last is None or last.ended is not None:
        return f"nvf confirm {state.name}"
    trials = "".join(f" --trial {number}" for number in last.finalists)
    beside = f" --model {last.model}" if last.model not in (None, state.name) else ""
    return f"nvf confirm {state.name} --seeds {last.seeds}{trials}{beside}"


def _best(state: SweepState) -> TrialState | None:
    """Return the trial at the head of the leaderboard, or None where none has a figure."""
    return next((state.trials[row.trial] for row in leaderboard(state).judged), None)


def _promoted(state: SweepState, since: int = -1) -> Promoted | None:
    """Return the last promotion to champion after the event `since`, or None."""
    return next((each for each in reversed(state.promotions) if each.alias == ALIAS and each.n > since), None)
