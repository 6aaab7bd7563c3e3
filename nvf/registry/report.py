"""A sweep as a whole: its leaderboard, its last confirmation, and what to run next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nvf.journal.events import read
from nvf.journal.folders import find, running
from nvf.journal.leaderboard import Leaderboard, leaderboard
from nvf.journal.replay import replay
from nvf.journal.result import ConfirmationResult
from nvf.plain import plain
from nvf.registry.confirmations import last_result
from nvf.registry.next_steps import Advice, lines, next_steps


@dataclass(frozen=True, slots=True)
class Report:
    """What is told of a sweep."""

    board: Leaderboard
    confirmation: ConfirmationResult | None
    next: Advice

    def to_json(self) -> dict[str, Any]:
        """Return what `nvf leaderboard --json` prints."""
        return {**plain(self.board), "confirmation": plain(self.confirmation), "next": plain(self.next)}


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
