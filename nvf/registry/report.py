"""A sweep as a whole: how far it is, its leaderboard, its last confirmation, and what to run next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nvf.errors import JournalError
from nvf.journal.folders import JustBegun, SweepFolder
from nvf.journal.kinds import OUTCOMES
from nvf.journal.leaderboard import Leaderboard, leaderboard
from nvf.journal.replay import SweepState
from nvf.journal.result import ConfirmationResult
from nvf.plain import plain
from nvf.registry.next_steps import Advice, lines, next_steps, resumes


@dataclass(frozen=True, slots=True)
class Report:
    """What is told of a sweep."""

    board: Leaderboard
    confirmation: ConfirmationResult | None
    next: Advice

    def to_json(self) -> dict[str, Any]:
        """Return what `nvf leaderboard --json` prints."""
        return {**plain(self.board), "confirmation": plain(self.confirmation), "next": plain(self.next)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How far a sweep is, as `nvf status --json` prints it; what its journal does not say, or not yet, is None.

    It is beginning, running, paused, ended, died or damaged, for a `reason`. `finished` of so many `trials` have an
    outcome, and for each outcome, and `open`, there is how many. `best` is by `measure` on dev, and cold figures follow
    the rule `cold_by`. `resume` is the command that goes on; None where there is nothing to go on with.
    """

    sweep: str
    status: str
    reason: str | None = None
    finished: int | None = None
    trials: int | None = None
    complete: int | None = None
    pruned: int | None = None
    stopped: int | None = None
    infeasible: int | None = None
    failed: int | None = None
    open: int | None = None
    best: float | None = None
    measure: str | None = None
    cold_by: str | None = None
    task: str | None = None
    resume: str | None = None


def standing(sweep: SweepFolder) -> Standing:
    """Return how far a sweep is; raises `JournalError` where its journal is damaged."""
    try:
        state = sweep.state()
    except JustBegun:
        return Standing(sweep=sweep.name, status="beginning")
    board, outcomes = leaderboard(state), [trial.outcome for trial in state.trials.values()]
    status = status_of(sweep, state)
    return Standing(
        sweep=sweep.name,
        status=status,
        reason=state.reason or None,
        finished=state.finished,
        trials=state.spec.search.trials,
        **{outcome: outcomes.count(outcome) for outcome in OUTCOMES},
        open=outcomes.count(None),
        best=next((row.value for row in board.judged), None),
        measure=board.measure,
        cold_by=board.cold_by,
        task=state.started.task.name,
        resume=resumes(state) if status in ("died", "paused") else None,
    )


def standings() -> list[Standing]:
    """Return how far each sweep is."""
    found = []
    for sweep in SweepFolder.all():
        try:
            found.append(standing(sweep))
        except JournalError as error:
            found.append(Standing(sweep=sweep.name, status="damaged", reason=str(error)))
    return found


def status_of(sweep: SweepFolder, state: SweepState) -> str:
    """Return one of running, paused, ended; died where its driver is gone without a word."""
    return "died" if state.status == "running" and not sweep.running() else state.status


def report(sweep: SweepFolder) -> Report:
    """Return what is told of a sweep."""
    state = sweep.state()
    found = None if state.confirmed is None else state.confirmed.result
    return Report(leaderboard(state), found, next_steps(state, running=sweep.running()))


def ending(report: Report) -> list[str]:
    """Return the last lines of a command: where the sweep stands, and what to run next."""
    return [*report.next.why, *lines(report.next.steps)]
