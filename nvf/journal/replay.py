"""From events to the state of a sweep; the same fold serves resume, leaderboard, status and tracking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import JsonValue

from nvf.errors import JournalError, UnknownName
from nvf.journal import cold, kinds
from nvf.journal.facts import Clock, Params, Part, Provenance, Published
from nvf.journal.kinds import Event, FaultTaken, Promoted, Replicated, SweepStarted
from nvf.journal.result import ConfirmationResult
from nvf.measures.objective import Objective
from nvf.spec.form import Spec
from nvf.training.record import Record
from nvf.types import Figures


@dataclass(slots=True)
class TrialState:
    """One trial as the journal has it.

    Attributes
    ----------
    number, system, params, chosen, distributions, seed, epochs
        As in `trial_started`.
    records
        The records in order of epochs, from epoch 0 on.
    checkpoints
        Epoch -> the checkpoint published with its record.
    outcome
        complete, pruned, stopped (by a diagnosis), infeasible (too little memory) or failed; None while it runs or
        waits to go on.
    paused
        Whether it was interrupted and waits to go on.
    error
        Why it failed or was stopped.
    decision
        What was decided on the last record: continue, prune, stop, complete or pause.
    attrs
        The pruner's notes (its rungs).
    faults
        What went wrong and was lived with.
    changed
        What it goes on with instead of its `params`: half the batch, for want of memory.
    last
        Number of the event of its last record, or -1.
    """

    number: int
    system: str
    params: Params
    chosen: Params
    distributions: dict[str, str]
    seed: int
    epochs: int
    records: list[Record] = field(default_factory=list)
    checkpoints: dict[int, Published] = field(default_factory=dict)
    outcome: kinds.Outcome | None = None
    paused: bool = False
    error: str | None = None
    decision: kinds.Decision = "continue"
    attrs: dict[str, JsonValue] = field(default_factory=dict)
    faults: list[FaultTaken] = field(default_factory=list)
    changed: Params = field(default_factory=dict)
    last: int = -1

    @property
    def settings(self) -> Params:
        """The parameters that it goes on with."""
        return {**self.params, **self.changed}

    @property
    def epoch(self) -> int:
        """The last journaled epoch, or -1."""
        return self.records[-1].epoch if self.records else -1

    def best(self, objective: Objective) -> Record | None:
        """Return the record that stands for the trial: `Objective.best`."""
        return objective.best(self.records)


@dataclass(slots=True)
class Confirmation:
    """One confirmation as journaled so far.

    Attributes
    ----------
    number
        From 1.
    finalists, seeds
        What is confirmed, over how many seeds.
    model
        The registered model whose champion is judged besides; older journals name none.
    cold_by
        The rule of its cold figures: `nvf.journal.cold`.
    replicates
        What has been trained: the `replicate` events by part, failed ones left out.
    opened
        Whether test has been opened for it.
    ended
        The event of its end, or None.
    """

    number: int
    finalists: list[int]
    seeds: int
    model: str | None
    cold_by: str
    replicates: dict[Part, Replicated] = field(default_factory=dict)
    opened: bool = False
    ended: kinds.Confirmed | None = None

    @property
    def result(self) -> ConfirmationResult | None:
        """What came out; None where it has not ended, or was by a much older nvf."""
        return None if self.ended is None else self.ended.result


@dataclass(slots=True)
class SweepState:
    """A sweep as the journal has it.

    Attributes
    ----------
    started
        The first event.
    spec
        The spec in force: the budget may have grown since the start.
    floors, ceilings
        Name -> figures on dev.
    trials
        By number.
    status
        running, paused or ended; a sweep whose driver died still says running.
    reason
        Why it paused or ended.
    error
        What is to be done something about before it can go on, or an empty text.
    ground
        What it stands on, as of its start or of the last change that was accepted.
    accepted
        What had changed when it was gone on with all the same.
    ended
        Trials in the order in which they ended, since the sweep last went on after failing.
    confirmations, promotions
        All, in order.
    snapshots
        Where the task's snapshot lay for each driver, the first one first.
    """

    started: SweepStarted
    spec: Spec
    ground: Provenance
    floors: dict[str, Figures] = field(default_factory=dict)
    ceilings: dict[str, Figures] = field(default_factory=dict)
    trials: dict[int, TrialState] = field(default_factory=dict)
    status: str = "running"
    reason: str = ""
    error: str = ""
    accepted: list[str] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    confirmations: list[Confirmation] = field(default_factory=list)
    promotions: list[Promoted] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.started.sweep

    def trial(self, number: int) -> TrialState:
        """Return a trial, or raise `UnknownName` with those that there are."""
        if number not in self.trials:
            known = ", ".join(map(str, self.trials)) or "none"
            raise UnknownName(f"sweep '{self.name}' has no trial {number}; its trials: {known}")
        return self.trials[number]

    @property
    def objectives(self) -> list[Objective]:
        """What is optimised; the first one orders the leaderboard."""
        return [Objective.parse(text) for text in self.started.objectives]

    @property
    def measure(self) -> Objective | None:
        """The first quality that is optimised; None where that is latency alone."""
        return next((each for each in self.objectives if each.view), None)

    @property
    def compared(self) -> str:
        """The measure that is compared on test: the first one that is optimised, whatever its view."""
        return self.measure.name if self.measure else "nDCG@10"

    @property
    def confirmed(self) -> Confirmation | None:
        """The last confirmation that came to its end, or None."""
        return next((each for each in reversed(self.confirmations) if each.ended), None)

    @property
    def outdated_cold(self) -> bool:
        """Whether it has cold figures, and they, or some of them, are by another rule than today's."""
        return bool(self.spec.cold) and cold.of_sweep(self.started) != cold.RULE

    @property
    def finished(self) -> int:
        """How many trials have an outcome."""
        return sum(trial.outcome is not None for trial in self.trials.values())


def replay(events: Iterable[Event]) -> SweepState:
    """Return the state after `events`; raises `JournalError` where they do not begin with a sweep."""
    stream = iter(events)
    first = next(stream, None)
    if not isinstance(first, SweepStarted):
        raise JournalError("the journal is empty: this sweep died before it began; delete its folder and start again")
    state = SweepState(first, first.spec, first.ground, snapshots=_places(first.clock))
    for event in stream:
        apply(state, event)
    return state


def apply(state: SweepState, event: Event) -> None:
    """Bring `state` forward by one event."""
    match event:
        case kinds.FloorsMeasured():
            state.floors, state.ceilings = event.floors, event.ceilings
        case kinds.TrialStarted():
            drawn = (event.system, event.params, event.chosen, event.distributions)
            state.trials[event.trial] = TrialState(event.trial, *drawn, event.seed, event.epochs)
        case kinds.RecordTaken():
            trial = state.trials[event.trial]
            trial.records.append(event.record)
            trial.decision, trial.attrs, trial.last = event.decision, event.attrs, event.n
            if event.checkpoint is not None:
                trial.checkpoints[event.record.epoch] = event.checkpoint
        case kinds.TrialEnded():
            trial = state.trials[event.trial]
            trial.outcome, trial.error, trial.paused = event.outcome, event.error, False
            state.ended.append(trial.number)
        case FaultTaken():
            trial = state.trials[event.trial]
            trial.faults.append(event)
            trial.changed |= event.params
        case kinds.CheckpointsDeleted():
            state.trials[event.trial].checkpoints.clear()
        case kinds.TrialPaused():
            state.trials[event.trial].paused = True
        case kinds.TrialResumed():
            state.trials[event.trial].paused = False
        case kinds.SweepPaused():
            state.status, state.reason, state.error = "paused", event.reason, event.error or ""
        case kinds.SweepResumed():
            if state.reason == "failing":
                state.ended.clear()
            state.status, state.reason, state.error, state.spec = "running", "", "", event.spec
            state.ground = event.ground or state.ground
            state.accepted += event.accepted
            state.snapshots += _places(event.clock)
        case kinds.SweepEnded():
            state.status, state.reason = "ended", event.reason
        case kinds.ConfirmationStarted():
            rule = event.cold_by or cold.OLDER
            begun = Confirmation(event.confirmation, event.finalists, event.seeds, event.model, rule)
            state.confirmations.append(begun)
        case Replicated(error=None):
            state.confirmations[-1].replicates[event.part] = event
        case kinds.SealOpened():
            state.confirmations[-1].opened = True
        case kinds.Confirmed():
            state.confirmations[-1].ended = event
        case Promoted():
            state.promotions.append(event)


def _places(clock: Clock) -> list[str]:
    return [clock.snapshot] if clock.snapshot else []
