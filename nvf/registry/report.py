"""A sweep as a whole: its leaderboard, its last confirmation, and what to run next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nvf.errors import JournalError
from nvf.journal.events import read
from nvf.journal.folders import find, names, running
from nvf.journal.kinds import OUTCOMES
from nvf.journal.leaderboard import Leaderboard, leaderboard
from nvf.journal.replay import replay
from nvf.journal.result import ConfirmationResult
from nvf.plain import plain
from nvf.registry.confirmations import last_result
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
    """How far a sweep is, as `nvf status --json` prints it; nothing is known of one whose journal is damaged.

    Attributes
    ----------
    sweep, status, reason
        Which one; running, paused, ended, died or damaged; and why.
    finished, trials
        How many trials have an outcome, and how many there will be.
    complete, pruned, stopped, infeasible, failed, open
        How many have that outcome, or none.
    best, measure, cold_by
        The best value on dev, by what, and by which rule cold figures are made.
    task
        Its name.
    resume
        The command that goes on; None where there is nothing to go on with.
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


def standing(name: str) -> Standing:
    """Return how far the sweep called `name` is; raises `JournalError` where its journal is damaged."""
    folder = find(name)
    state = replay(read(folder))
    board, outcomes = leaderboard(state), [trial.outcome for trial in state.trials.values()]
    status = "died" if state.status == "running" and not running(folder) else state.status
    return Standing(
        sweep=name,
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
    for name in names():
        try:
            found.append(standing(name))
        except JournalError as error:
            found.append(Standing(sweep=name, status="damaged", reason=str(error)))
    return found


def report(name: str) -> Report:
    """Return what is told of the sweep called `name`."""
    folder = find(name)
    events = read(folder)
    state = replay(events)
    told = next_steps(state, events, running=running(folder))
    return Report(leaderboard(state), last_result(events), told)


def ending(report: Report) -> list[str]:
    """Return the last lines of a command: where the sweep stands, and what to run next."""
    return [*report.next.why, *lines(report.next.steps)]
