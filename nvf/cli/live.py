"""Live progress of a sweep: one line that renews itself on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.text import Text

from nvf.cli.render import console
from nvf.journal.leaderboard import leaderboard
from nvf.journal.replay import SweepState

EVERY = 10.0
"""Seconds between plain lines when no trial ends."""


class Progress:
    """Shows a sweep's state; `watch` is handed to the driver. Prints to standard error."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._live = (
            Live(console=self._console, refresh_per_second=4, transient=True) if self._console.is_terminal else None
        )
        self._began = time.monotonic()
        self._finished_before: int | None = None
        self._last = (0.0, -1)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        """Print one line above the progress."""
        self._console.print(line, style="dim")

    def watch(self, state: SweepState) -> None:
        """Show `state`, not more often than is of use."""
        if self._finished_before is None:
            self._finished_before = state.finished
            self._began = time.monotonic()
        now = time.monotonic()
        if self._live is not None:
            if now - self._last[0] > 0.2 or state.finished != self._last[1]:
                self._last = (now, state.finished)
                self._live.update(Text(self.line(state)))
        elif now - self._last[0] > EVERY or state.finished != self._last[1]:
            self._last = (now, state.finished)
            self._console.print(self.line(state))

    def line(self, state: SweepState) -> str:
        """Return the state in one line: trials by outcome, best against the floors, time left."""
        counts = {"running": 0, "pruned": 0, "stopped": 0, "infeasible": 0, "failed": 0, "paused": 0}
        for trial in state.trials.values():
            name = trial.outcome or ("paused" if trial.paused else "running")
            counts[name] = counts.get(name, 0) + 1
        total = state.spec["search"]["trials"]
        parts = [
            f"{state.finished}/{total} trials",
            *(f"{count} {name}" for name, count in counts.items() if count and name != "complete"),
        ]
        elapsed = time.monotonic() - self._began
        return f"{_clock(elapsed)}  {', '.join(parts)}  {self._best(state)}  {self._left(state, elapsed)}".rstrip()

    def _best(self, state: SweepState) -> str:
        board = leaderboard(state)
        floors = " ".join(f"{name} {value:.4f}" for name, value in board["floors"].items() if value is not None)
        best = next((row for row in board["trials"] if row["value"] is not None), None)
        shown = (
            "no figure yet"
            if best is None
            else f"best {best['value']:.4f} (trial {best['trial']:04d} {best['system']})"
        )
        return f"{board['measure']}: {shown} | floors: {floors}"

    def _left(self, state: SweepState, elapsed: float) -> str:
        done = state.finished - (self._finished_before or 0)
        if done <= 0:
            return ""
        left = elapsed / done * (state.spec["search"]["trials"] - state.finished)
        if state.spec["budget"]["time"] is not None:
            left = min(left, max(0.0, state.spec["budget"]["time"] - elapsed))
        return f"| about {_clock(left)} left"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
