"""Live progress of a sweep: a line or two that renew themselves on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Self

from rich.cells import cell_len
from rich.live import Live
from rich.text import Text

from nvf.cli.narration import above
from nvf.cli.render import console
from nvf.journal.leaderboard import highest, leaderboard
from nvf.journal.replay import SweepState
from nvf.progress import Pace, clock

OFTEN = 0.2
"""Seconds between two looks at the state on a terminal."""


class Progress(ExitStack):
    """Shows a sweep's state; `watch` is handed to the driver. Prints to standard error."""

    def __init__(self) -> None:
        super().__init__()
        self._console = console(stderr=True)
        self._live = (
            Live(console=self._console, refresh_per_second=4, transient=True) if self._console.is_terminal else None
        )
        self._pace = Pace()
        self._seen = False
        self._last = (0.0, -1)

    def __enter__(self) -> Self:
        if self._live is not None:
            self.enter_context(self._live)
        self.enter_context(above(self._console))
        return self

    def watch(self, state: SweepState) -> None:
        """Show `state`, not more often than is of use."""
        if not self._seen:
            self._seen, self._pace = True, Pace(done(state))
        now = time.monotonic()
        self._pace.reached(done(state))
        if self._live is not None:
            if now - self._last[0] > OFTEN or state.finished != self._last[1]:
                self._last = (now, state.finished)
                self._live.update(Text(packed(self.parts(state), self._console.width)))
        elif self._pace.due() or (state.finished == state.spec.search.trials != self._last[1]):
            self._last = (now, state.finished)
            self._console.print("  ".join(self.parts(state)))

    def parts(self, state: SweepState) -> list[str]:
        """Return what is told of the state: clock and time left, trials by outcome, best and best floor."""
        counts = {"running": 0, "pruned": 0, "stopped": 0, "infeasible": 0, "failed": 0, "paused": 0}
        for trial in state.trials.values():
            name = trial.outcome or ("paused" if trial.paused else "running")
            counts[name] = counts.get(name, 0) + 1
        trials = [
            f"{state.finished}/{state.spec.search.trials} trials",
            *(f"{count} {name}" for name, count in counts.items() if count and name != "complete"),
        ]
        return [", ".join([clock(self._pace.elapsed), *self._left(state)]), ", ".join(trials), *_best(state)]

    def _left(self, state: SweepState) -> list[str]:
        """Return about how long it takes yet, where that is known; the sweep's own time ends it at the latest."""
        limit = state.spec.budget.time
        left = self._pace.left(state.spec.search.trials, roughly=False)
        rest = None if limit is None else max(0.0, limit - self._pace.elapsed)
        return [each for each in [left] if each] + ([] if rest is None else [f"at most {clock(rest)}"])


def done(state: SweepState) -> float:
    """Return how many trials are done; one that runs counts by its epochs."""
    opened = (trial for trial in state.trials.values() if trial.outcome is None)
    return state.finished + sum(max(trial.epoch, 0) / max(trial.epochs, 1) for trial in opened)


def packed(parts: list[str], width: int) -> str:
    """Return parts in as few lines of `width` cells as hold them.

    >>> packed(["one", "two", "three"], 8)
    'one  two\\nthree'
    """
    shown = [parts[0]]
    for part in parts[1:]:
        if cell_len(shown[-1]) + 2 + cell_len(part) <= width:
            shown[-1] += f"  {part}"
        else:
            shown.append(part)
    return "\n".join(shown)


def _best(state: SweepState) -> list[str]:
    board = leaderboard(state)
    # A trial that has just begun shows the untrained system, which is nobody's achievement.
    best = next((row for row in board.judged if row.best_epoch or row.outcome != "running"), None)
    trial = "no figure yet" if best is None else f"best {best.value:.4f} (trial {best.trial:04d} {best.system})"
    floor = highest(board.floors)
    return [f"{board.measure}: {trial}", *([f"best floor {floor[1]:.4f} ({floor[0]})"] if floor else [])]
