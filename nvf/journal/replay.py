"""From events to the state of a sweep; the same fold serves resume, leaderboard, status and tracking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from nvf.errors import JournalError
from nvf.journal import cold
from nvf.journal.events import Event
from nvf.measures.objective import Objective


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
        Epoch -> {folder, digest} of the checkpoint published with its record; the folder is relative to the sweep's.
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
        What went wrong and was lived with: {fault, epoch, detail}.
    changed
        What it goes on with instead of its `params`: half the batch, for want of memory.
    """

    number: int
    system: str
    params: dict[str, Any]
    chosen: dict[str, Any]
    distributions: dict[str, str]
    seed: int
    epochs: int
    records: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: dict[int, dict[str, str]] = field(default_factory=dict)
    outcome: str | None = None
    paused: bool = False
    error: str | None = None
    decision: str = "continue"
    attrs: dict[str, Any] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)
    changed: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters that it goes on with."""
        return {**self.params, **self.changed}

    @property
    def epoch(self) -> int:
        """The last journaled epoch, or -1."""
        return int(self.records[-1]["epoch"]) if self.records else -1

    def best(self, objective: Objective) -> dict[str, Any] | None:
        """Return the record that stands for the trial, or None before the first.

        It is the best by `objective`. Epoch 0, the untrained system, counts only where there is no other: a trial
        that only ever loses to its own start is shown as losing.
        """
        trained = [record for record in self.records if record["epoch"] > 0] or self.records
        judged = [(value, record) for record in trained if (value := objective.of(record)) is not None]
        if not judged:
            return None
        return max(judged, key=lambda pair: pair[0] * objective.sign)[1]


@dataclass(slots=True)
class SweepState:
    """A sweep as the journal has it.

    Attributes
    ----------
    started
        The `sweep_started` event.
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
        What it stands on, as of its start or of the last change that was accepted: fingerprint, spec_text, nvf,
        versions, code.
    accepted
        What had changed when it was gone on with all the same.
    ended
        Trials in the order in which they ended, since the sweep last went on after failing.
    """

    started: Event
    spec: dict[str, Any]
    floors: dict[str, Any] = field(default_factory=dict)
    ceilings: dict[str, Any] = field(default_factory=dict)
    trials: dict[int, TrialState] = field(default_factory=dict)
    status: str = "running"
    reason: str = ""
    error: str = ""
    ground: dict[str, Any] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The sweep's name."""
        return str(self.started["sweep"])

    @property
    def objectives(self) -> list[Objective]:
        """What is optimised; the first one orders the leaderboard."""
        return [Objective.parse(text) for text in self.started["objectives"]]

    @property
    def gpu(self) -> float:
        """What share of a GPU its file asks for; see `nvf.devices`."""
        return float(self.spec.get("resources", {}).get("gpu", 0))

    @property
    def outdated_cold(self) -> bool:
        """Whether it has cold figures, and they, or some of them, are by another rule than today's."""
        return bool(self.spec.get("cold")) and cold.of_sweep(self.started) != cold.RULE

    @property
    def finished(self) -> int:
        """How many trials have an outcome."""
        return sum(trial.outcome is not None for trial in self.trials.values())


def replay(events: Iterable[Event]) -> SweepState:
    """Return the state after `events`; raises `JournalError` where they do not begin with a sweep."""
    stream = iter(events)
    first = next(stream, None)
    if first is None or first["kind"] != "sweep_started":
        raise JournalError("the journal is empty: this sweep died before it began; delete its folder and start again")
    state = SweepState(started=first, spec=first["spec"], ground=_ground(first))
    for event in stream:
        apply(state, event)
    return state


def _ground(started: Event) -> dict[str, Any]:
    return {
        "fingerprint": started["task"]["fingerprint"],
        "spec_text": started.get("spec_text"),
        "nvf": started.get("nvf"),
        "versions": started.get("versions", {}),
        "code": started.get("code", {}),
    }


def apply(state: SweepState, event: Event) -> None:
    """Bring `state` forward by one event."""
    match event["kind"]:
        case "floors":
            state.floors, state.ceilings = event["floors"], event["ceilings"]
        case "trial_started":
            names = ("system", "params", "chosen", "distributions", "seed", "epochs")
            state.trials[event["trial"]] = TrialState(event["trial"], *(event[name] for name in names))
        case "record":
            trial = state.trials[event["trial"]]
            trial.records.append(event["record"])
            trial.decision, trial.attrs = event["decision"], event["attrs"]
            if event["checkpoint"] is not None:
                trial.checkpoints[event["record"]["epoch"]] = event["checkpoint"]
        case "trial_ended":
            trial = state.trials[event["trial"]]
            trial.outcome, trial.error, trial.paused = event["outcome"], event["error"], False
            state.ended.append(trial.number)
        case "fault":
            trial = state.trials[event["trial"]]
            trial.faults.append({name: event[name] for name in ("fault", "epoch", "detail")})
            trial.changed |= event["params"]
        case "checkpoints_deleted":
            state.trials[event["trial"]].checkpoints.clear()
        case "trial_paused":
            state.trials[event["trial"]].paused = True
        case "trial_resumed":
            state.trials[event["trial"]].paused = False
        case "sweep_paused":
            state.status, state.reason, state.error = "paused", event["reason"], event.get("error") or ""
        case "sweep_resumed":
            if state.reason == "failing":
                state.ended.clear()
            state.status, state.reason, state.error, state.spec = "running", "", "", event["spec"]
            state.ground = event.get("ground") or state.ground
            state.accepted += event.get("accepted", [])
        case "sweep_ended":
            state.status, state.reason = "ended", event["reason"]
