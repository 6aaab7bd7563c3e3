"""How far a sweep is that runs: clock and time left, trials by outcome, its best beside the best floor."""

from __future__ import annotations

import time

from nvf.journal.leaderboard import highest, leaderboard
from nvf.journal.replay import SweepState
from nvf.progress import Pace, clock


class Underway:
    """Follows one run of a sweep, from the first state that it is told of."""

    def __init__(self) -> None:
        self._pace: Pace | None = None
        self._last = (0.0, -1)

    def parts(self, state: SweepState, pause: float | None) -> list[str] | None:
        """Return what is to be told of the state, in parts, or None where it is too early for that.

        There are `pause` seconds between two looks, unless a trial has ended in between. With None each look is a line
        that stays: then they come every ten seconds at first, every minute later, and at the end.
        """
        self._pace = self._pace or Pace(done(state))
        self._pace.reached(done(state))
        now, ended = time.monotonic(), state.finished != self._last[1]
        if pause is None:
            told = self._pace.due() or (state.finished == state.spec.search.trials and ended)
        else:
            told = now - self._last[0] > pause or ended
        if not told:
            return None
        self._last = (now, state.finished)
        return [_clock(state, self._pace), _trials(state), *_best(state)]


def done(state: SweepState) -> float:
    """Return how many trials are done; one that runs counts by its epochs."""
    opened = (trial for trial in state.trials.values() if trial.outcome is None)
    return state.finished + sum(max(trial.epoch, 0) / max(trial.epochs, 1) for trial in opened)


def _clock(state: SweepState, pace: Pace) -> str:
    limit, left = state.spec.budget.time, pace.left(state.spec.search.trials, roughly=False)
    most = "" if limit is None else f"at most {clock(max(0.0, limit - pace.elapsed))}"
    return ", ".join(part for part in (clock(pace.elapsed), left, most) if part)


def _trials(state: SweepState) -> str:
    counts = {"running": 0, "pruned": 0, "stopped": 0, "infeasible": 0, "failed": 0, "paused": 0}
    for trial in state.trials.values():
        name = trial.outcome or ("paused" if trial.paused else "running")
        counts[name] = counts.get(name, 0) + 1
    told = [f"{count} {name}" for name, count in counts.items() if count and name != "complete"]
    return ", ".join([f"{state.finished}/{state.spec.search.trials} trials", *told])


def _best(state: SweepState) -> list[str]:
    board = leaderboard(state)
    # A trial that has just begun shows the untrained system, which is nobody's achievement.
    best = next((row for row in board.judged if row.best_epoch or row.outcome != "running"), None)
    trial = "no figure yet" if best is None else f"best {best.value:.4f} (trial {best.trial:04d} {best.system})"
    floor = highest(board.floors)
    return [f"{board.measure}: {trial}", *([f"best floor {floor[1]:.4f} ({floor[0]})"] if floor else [])]
