"""A sweep as a whole: its leaderboard, its last confirmation, and what to run next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from nvf.journal.events import read
from nvf.journal.folders import find, running
from nvf.journal.leaderboard import leaderboard
from nvf.journal.replay import replay
from nvf.registry.confirmations import last_result
from nvf.registry.next_steps import Step, lines, next_steps


def report(name: str) -> dict[str, Any]:
    """Return what `nvf leaderboard --json` prints of the sweep called `name`."""
    folder = find(name)
    events = read(folder)
    state = replay(events)
    told = next_steps(state, events, running=running(folder))
    return {**leaderboard(state), "confirmation": last_result(events), "next": asdict(told)}


def ending(report: Mapping[str, Any]) -> list[str]:
    """Return the last lines of a command: where the sweep stands, and what to run next."""
    return [*report["next"]["why"], *lines([Step(**each) for each in report["next"]["steps"]])]
