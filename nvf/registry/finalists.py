"""Which settings go on, and what is trained of each: the plan of a confirmation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from nvf import seeding
from nvf.errors import SweepError, UnknownName
from nvf.journal.facts import Part
from nvf.journal.leaderboard import Row, leaderboard
from nvf.journal.replay import SweepState, TrialState
from nvf.measures.objective import Objective
from nvf.sweep.orders import Order

log = logging.getLogger(__name__)


def choose(state: SweepState, top: int, trials: Sequence[int]) -> list[TrialState]:
    """Return the finalists: the trials named, or the best `top` different settings on dev.

    Where the sweep's gates ask for a record without a diagnosis, a trial that has one is left out, and that is logged:
    to open test for what will be refused anyway is a waste. Where every trial has one, all are taken. Raises
    `SweepError` where there are none, or a named one has no figure.
    """
    rows = leaderboard(state).judged
    judged = [row.trial for row in rows]
    for number in trials:
        if number not in judged:
            known = ", ".join(map(str, sorted(judged))) or "none"
            raise UnknownName(f"sweep '{state.name}' has no trial {number} with a figure; those with one: {known}")
    ailing = _ailing(state, rows)
    pool = [number for number in judged if number not in ailing] or judged
    found: list[TrialState] = []
    for number in trials or pool:
        trial = state.trials[number]
        if not any((trial.system, trial.settings) == (other.system, other.settings) for other in found):
            found.append(trial)
    if not found:
        raise SweepError(f"no trial of sweep '{state.name}' has a figure on dev: there is nothing to confirm")
    if trials:
        return found
    before = judged[: judged.index(found[:top][-1].number)]
    if left_out := [f"{number:04d} ({ailing[number]})" for number in before if number in ailing and pool is not judged]:
        log.info(f"left out for what was diagnosed: {', '.join(left_out)}; --trial {before[0]} takes one all the same")
    return found[:top]


def _ailing(state: SweepState, rows: Sequence[Row]) -> dict[int, str]:
    """Return the trials that the sweep's gates would refuse for a diagnosis, each with its names."""
    if not state.spec.gates.diagnoses:
        return {}
    return {row.trial: ", ".join(row.diagnoses) for row in rows if row.diagnoses}


def plan(state: SweepState, finalists: Sequence[TrialState], seeds: int) -> list[Part]:
    """Return every training of a confirmation.

    Each finalist is trained over `seeds` seeds, on all judgements and, where the sweep withholds a share, once more
    without it, each seed with a draw of its own. What is not trained by gradient has no randomness of its own: one
    training on all judgements will do, and only the draws differ.
    """
    spec = state.spec
    own = [seeding.derive(spec.search.seed, "confirm", place) for place in range(seeds)]
    draws = [seeding.derive(spec.search.seed, "confirm", "withhold", place) for place in range(seeds)]
    parts = []
    for trial in finalists:
        for place in range(seeds if trial.epoch > 0 else 1):
            parts.append(Part(trial.number, place, False, own[place], None))
        if spec.cold:
            parts += [Part(trial.number, place, True, own[place], draws[place]) for place in range(seeds)]
    return parts


def order(part: Part, state: SweepState, snapshot: Path, folder: Path) -> Order:
    """Return what a worker is told to train; its checkpoints go below `folder`."""
    return Order.of(
        state,
        state.trials[part.trial],
        snapshot,
        folder / f"trial-{part.trial:04d}" / f"{'withheld' if part.withheld else 'all'}-{part.place}",
        seed=part.seed,
        cold=state.spec.cold if part.withheld else 0.0,
        cold_seed=part.cold_seed or 0,
        objective=str(objective(state, withheld=part.withheld)),
    )


def objective(state: SweepState, *, withheld: bool) -> Objective:
    """Return by what the best epoch of a training is chosen on dev: the sweep's own measure.

    With all judgements there are no withheld documents: a measure on cold ones counts over all there.
    """
    own = state.objectives[0]
    return own if withheld or own.view != "cold" else Objective("all", own.name)
