"""What a promotion does not prove: said in plain words, whatever the gates let through."""

from __future__ import annotations

from collections.abc import Iterator

from nvf.journal import cold
from nvf.journal.leaderboard import beats_floors, best_floor, diagnoses
from nvf.journal.replay import SweepState, TrialState
from nvf.overlap import sentence
from nvf.registry.candidates import Candidate
from nvf.training.record import Record


def cautions(candidate: Candidate) -> list[str]:
    """Return what to know before trusting what was promoted, in a line each; worst first."""
    state, trial = candidate.state, candidate.trial
    if candidate.opened:
        certain = [*_reopened(candidate.opened), *_one_seed(candidate.seeds)]
    else:
        certain = [*_unproven(state), *_withheld(state)]
    return [
        *_under_floors(state, candidate.record),
        *_named(state, trial),
        *_outcome(state, trial),
        *([cold.again(state.name)] if candidate.outdated_cold else []),
        *certain,
        *_leaks(state),
    ]


def _reopened(opened: int) -> Iterator[str]:
    if opened > 1:
        yield f"test had been opened {opened} times when it was confirmed: what is chosen with test in view is too good"


def _one_seed(seeds: int) -> Iterator[str]:
    if seeds == 1:
        yield "confirmed over one seed: intervals and p cover the queries alone, not other trainings"


def _under_floors(state: SweepState, record: Record) -> Iterator[str]:
    """Yield whether the record loses to the floors, and each floor that is better in another view."""
    by = state.measure
    if by is None:
        return
    lost = best_floor(state) if beats_floors(state, record) is False else None
    if lost is not None:
        name, value = lost
        yield f"does not beat the floor `{name}` on dev by {by}: {by.of(record):.4f} against {value:.4f}"
    for name, floor in state.floors.items():
        said = by.view if lost is not None and name == lost[0] else None
        under = [
            f"{view} {figures[by.name]:.4f} against {floor[view][by.name]:.4f}"
            for view, figures in record.figures.items()
            if view in floor and view != said and figures[by.name] < floor[view][by.name]
        ]
        if under:
            yield f"the floor `{name}` is better on dev by {by.name}: {', '.join(under)}"


def _named(state: SweepState, trial: TrialState) -> Iterator[str]:
    found = diagnoses(state, trial)
    if found:
        yield f"diagnosed: {', '.join(found)}"


def _outcome(state: SweepState, trial: TrialState) -> Iterator[str]:
    if trial.outcome != "complete":
        yield f"trial {trial.number:04d} {_WORDS.get(trial.outcome, 'has not ended')}"
    waiting = sum(each.outcome is None for each in state.trials.values())
    if waiting:
        yield f"{waiting} trials of the sweep have not ended"


_WORDS: dict[str | None, str] = {
    "pruned": "was pruned before its last epoch",
    "stopped": "was stopped for what ails it",
    "infeasible": "ran out of memory later on, with half its batch still",
    "failed": "failed later on",
}


def _unproven(state: SweepState) -> Iterator[str]:
    judged = sum(bool(trial.records) for trial in state.trials.values())
    yield f"not confirmed on test: its figures are the best of {judged} on dev, and so too good"
    yield "one seed: another may give other figures"


def _withheld(state: SweepState) -> Iterator[str]:
    share = state.spec.cold
    if share:
        yield f"trained without the {share:.0%} of the judged documents that the cold figure needs"


def _leaks(state: SweepState) -> Iterator[str]:
    for leak in state.started.task.leaks:
        if leak.split == "dev" and leak.other == "train" and (leak.near or leak.queries_shared):
            yield sentence(leak)
