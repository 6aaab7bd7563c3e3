"""The one decision point of a sweep. It knows nothing of Ray: scheduler and searcher only carry its words.

Everything that happens passes through here, in one thread: the next trial is asked for, a report comes in, is told to
the study, journaled together with the decision on it, and answered. The journal line is the moment at which a record
exists; what follows from it can be made again.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from nvf import seeding
from nvf.errors import JournalError
from nvf.journal import kinds, replay
from nvf.journal.events import Journal
from nvf.journal.facts import Published
from nvf.journal.kinds import Event
from nvf.plugins import is_code
from nvf.spec.form import Spec
from nvf.sweep import shelf
from nvf.sweep.beside import beside, stopping
from nvf.sweep.failures import Failures
from nvf.sweep.orders import Fault, Order, Report
from nvf.sweep.shelf import epoch_folder
from nvf.sweep.study import SearchStudy
from nvf.training.scarcity import halved

LOSSES = 3
"""How often a trial is begun anew because its worker died, whichever driver ran it, before it counts as failed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where trials find their task and leave their checkpoints."""

    task: Path
    checkpoints: Path


class Conductor:
    """Runs the search of one sweep, and carries its `state` forward; `on_change` is called after every event."""

    def __init__(
        self,
        spec: Spec,
        state: replay.SweepState,
        journal: Journal,
        study: SearchStudy,
        place: Place,
        on_change: Callable[[replay.SweepState], None] = lambda state: None,
    ) -> None:
        self.state = state
        self.broken: JournalError | None = None
        """Why nothing more could be journaled: Ray shows an error of ours as one of its own."""
        self._spec = spec
        self._journal = journal
        self._study = study
        self._place = place
        self._on_change = on_change
        self._deadline = None if spec.budget.time is None else time.monotonic() + spec.budget.time
        self._interrupted = False
        self._halt: tuple[str, str] | None = None
        self._failures = Failures()
        for number in state.ended:
            self._count(state.trials[number])
        self._settle()
        self._waiting = [number for number, trial in sorted(state.trials.items()) if trial.outcome is None]

    @property
    def interrupted(self) -> bool:
        """Whether the sweep was asked to end at once."""
        return self._interrupted

    @property
    def out_of_time(self) -> bool:
        """Whether the sweep's time is over."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def interrupt(self) -> None:
        """End the sweep at once; safe to call from a signal handler."""
        self._interrupted = True

    @property
    def ending(self) -> bool:
        """Whether nothing more shall be started, though trials are left."""
        return self._interrupted or self.out_of_time or self._halt is not None

    def next_order(self) -> Order | None:
        """Return the next trial to run, interrupted ones first; None when there is nothing more to start."""
        if self.ending:
            return None
        if self._waiting:
            trial = self.state.trials[self._waiting.pop(0)]
            self._write(kinds.TrialResumed(trial=trial.number, epoch=trial.epoch))
            return self.order(trial.number)
        number = len(self.state.trials)
        if number >= self._spec.search.trials:
            return None
        setting, distributions = self._study.ask(number)
        started = kinds.TrialStarted(
            trial=number,
            system=setting.system,
            params=setting.params,
            chosen=setting.chosen,
            distributions=distributions,
            seed=seeding.derive(self._spec.search.seed, "trial", number),
            epochs=self._spec.budget.epochs,
        )
        self._write(started, sync=True)
        return self.order(number)

    def on_report(self, report: Report) -> bool:
        """Take a worker's report; return whether the trial goes on with the same order."""
        trial = self.state.trials[report.trial]
        if trial.outcome is not None or trial.paused:
            return False
        for fault in report.faults:
            self._fault(trial, fault)
        if report.error is not None:
            if not report.infeasible:
                self._end(trial.number, "failed", report.error)
            elif self._halve(trial, report.error.removeprefix("out of memory: ")):
                self._waiting.insert(0, trial.number)
            return False
        assert report.record is not None, "a report is a record or an error"
        if report.record.epoch <= trial.epoch:
            return True
        diagnoses = (*report.record.diagnoses, *beside(self.state, trial, report.record))
        record = replace(report.record, diagnoses=diagnoses)
        prune, attrs = self._study.report(trial.number, record)
        decision = self._decision(prune=prune, stop=bool(stopping(record, self._spec.stop)), final=report.final)
        taken = kinds.RecordTaken(
            trial=trial.number,
            record=record,
            checkpoint=self._relative(report.checkpoint),
            decision=decision,
            attrs=attrs,
            clock=report.clock,
        )
        self._write(taken)
        self._carry_out(trial)
        self._make_room()
        return decision == "continue"

    def on_death(self, number: int, cause: str, *, out_of_memory: bool) -> None:
        """Take note that a trial's worker died by what Ray calls `cause`; it is begun anew.

        Where Ray killed it since its node was running `out_of_memory`, it goes on with half the batch.
        """
        trial = self.state.trials[number]
        if trial.outcome is not None or self._interrupted:
            return
        if not out_of_memory:
            self._fault(trial, Fault("worker_lost", cause))
            if [each.fault for each in trial.faults].count("worker_lost") > LOSSES:
                self._end(number, "failed", f"the worker process died, and {LOSSES} more after it")
        else:
            self._halve(trial, cause)

    def on_lost(self, number: int) -> None:
        """Take note that Ray gave a trial up after a death: it goes on with another worker, if it goes on at all.

        Ray itself starts a worker anew that dies within an epoch. One that dies between two trials, while it takes the
        next order, it does not.
        """
        if self.state.trials[number].outcome is None and not self._interrupted:
            self._waiting.insert(0, number)

    @property
    def over(self) -> bool:
        """Whether there will be nothing more to start: every trial has an outcome, or the sweep shall end."""
        return self.ending or self.state.finished >= self._spec.search.trials

    def order(self, number: int) -> Order:
        """Return what a worker is told of a trial: from the start, or to go on after its last journaled epoch."""
        trial, objective = self.state.trials[number], self.state.objectives[0]
        best = trial.best(objective)
        value = objective.of(best)
        known = [] if best is None else shelf.live(trial, objective)
        return Order.of(
            self.state,
            trial,
            self._place.task,
            self._place.checkpoints / f"trial-{number:04d}",
            resume=trial.epoch if trial.records else None,
            digests={epoch: trial.checkpoints[epoch].digest for epoch in known},
            best=None if best is None or value is None else (best.epoch, value),
            halved=bool(trial.changed),
            code=os.getcwd() if is_code(trial.system) else None,
        )

    def close(self, reason: str | None = None) -> None:
        """Pause what still runs and write down how the sweep ended: at its end, or paused for `reason`."""
        for trial in self.state.trials.values():
            if trial.outcome is None and not trial.paused:
                self._write(kinds.TrialPaused(trial=trial.number))
        error = None
        if reason is None and self._interrupted:
            reason = "interrupt"
        elif reason is None and self._halt is not None:
            reason, error = self._halt
        complete = self.state.finished >= self._spec.search.trials
        if reason is None and not complete:
            reason = "time" if self.out_of_time else "error"
        if reason is None:
            self._write(kinds.SweepEnded(reason="trials"), sync=True)
        else:
            self._write(kinds.SweepPaused(reason=reason, error=error), sync=True)

    def _decision(self, *, prune: bool, stop: bool, final: bool) -> kinds.Decision:
        if final:
            return "complete"
        if stop:
            return "stop"
        if prune:
            return "prune"
        return "pause" if self.ending else "continue"

    def _carry_out(self, trial: replay.TrialState) -> None:
        match trial.decision:
            case "complete":
                self._end(trial.number, "complete")
            case "stop":
                self._end(trial.number, "stopped", f"diagnosed: {stopping(trial.records[-1], self._spec.stop)}")
            case "prune":
                self._end(trial.number, "pruned")
            case "pause":
                self._write(kinds.TrialPaused(trial=trial.number))

    def _relative(self, checkpoint: Published | None) -> Published | None:
        """Return where a checkpoint lies seen from the sweep's folder, so that mlruns/ may be moved."""
        if checkpoint is None:
            return None
        folder = Path(checkpoint.folder).relative_to(self._place.checkpoints.parent)
        return replace(checkpoint, folder=folder.as_posix())

    def _settle(self) -> None:
        """Finish what a driver that died had journaled and not done: ends of trials, deleted checkpoints."""
        for trial in self.state.trials.values():
            if trial.outcome is None and trial.decision in ("complete", "prune", "stop"):
                self._carry_out(trial)
        for trial in self.state.trials.values():
            if trial.outcome is not None:
                self._clear(trial)
        self._make_room()

    def _end(self, number: int, outcome: kinds.Outcome, error: str | None = None) -> None:
        trial = self.state.trials[number]
        self._write(kinds.TrialEnded(trial=number, outcome=outcome, error=error, attrs=trial.attrs), sync=True)
        self._study.tell(trial)
        self._count(trial)
        self._clear(trial)

    def _count(self, trial: replay.TrialState) -> None:
        """Halt where an ended trial is one too many that failed the same way."""
        if trial.outcome != "failed":
            self._failures.clear(trial.system)
        elif said := self._failures.add(trial.system, trial.error or ""):
            self._halt = "failing", said

    def _halve(self, trial: replay.TrialState, cause: str) -> bool:
        """Have a trial for which memory was short go on with half the batch, once; return whether it can."""
        changed = {} if trial.changed else halved(trial.system, trial.params)
        if not changed:
            self._end(trial.number, "infeasible", f"out of memory: {cause}")
            return False
        params = ", ".join(f"{name} = {value}" for name, value in changed.items())
        self._fault(trial, Fault("out_of_memory", f"{cause}; it goes on with {params}", changed))
        return True

    def _fault(self, trial: replay.TrialState, fault: Fault) -> None:
        """Write down what was lived with; a disk that stays full is told once for each trial."""
        if fault.kind == "disk_full" and any(each.fault == fault.kind for each in trial.faults):
            return
        self._write(
            kinds.FaultTaken(
                trial=trial.number, fault=fault.kind, epoch=trial.epoch, detail=fault.detail, params=fault.params
            )
        )

    def _make_room(self) -> None:
        """Keep the checkpoints within the spec's limits; where the best and the running ones are too many, halt."""
        for number in shelf.surplus(self.state, self._spec.checkpoints):
            self._write(kinds.CheckpointsDeleted(trial=number))
            self._clear(self.state.trials[number])
        limit = self._spec.checkpoints.bytes
        if limit is not None and (taken := shelf.occupied(self.state)) > limit and self._halt is None:
            self._halt = (
                "room",
                f"the checkpoints of the best trial and of those that run take {taken} bytes, more than "
                f"checkpoints.bytes = {limit} of the sweep file",
            )

    def _clear(self, trial: replay.TrialState) -> None:
        """Delete the checkpoints of an ended trial but for its best one, and that too where it was given up."""
        best = shelf.best_epoch(trial, self.state.objectives[0])
        folder = self._place.checkpoints / f"trial-{trial.number:04d}"
        for each in folder.glob("*"):
            if best is None or each.name != epoch_folder(folder, best).name:
                shutil.rmtree(each, ignore_errors=True)

    def _write(self, event: Event, *, sync: bool = False) -> None:
        try:
            event = self._journal.append(event, sync=sync)
        except JournalError as error:
            self.broken = error
            raise
        replay.apply(self.state, event)
        self._on_change(self.state)
