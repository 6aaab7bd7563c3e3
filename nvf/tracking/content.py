"""What the runs of a sweep have to say: a function of its journal alone, kept until MLflow has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mlflow.entities import Metric

from nvf.errors import JournalError
from nvf.journal import kinds, leaderboard
from nvf.journal.kinds import Event
from nvf.journal.replay import SweepState, apply, replay
from nvf.journal.result import ConfirmationResult
from nvf.tracking import names, runs
from nvf.tracking.charts import Columns
from nvf.tracking.runs import Key
from nvf.types import Figures

AFTERWARDS = kinds.OfConfirmation | kinds.Promoted
"""Events of a sweep that has ended: no run ends later for them."""


@dataclass(slots=True)
class Pending:
    """What is still to be written of one run.

    It lived from `since` until `until`, in milliseconds since 1970; `through` is the number of its last event. Metrics,
    and artifacts by name, stand each with the number of its event.
    """

    since: int
    until: int
    through: int
    metrics: list[tuple[int, Metric]] = field(default_factory=list)
    texts: dict[str, tuple[int, str]] = field(default_factory=dict)


class Content:
    """What MLflow should hold of one sweep, as far as its journal was taken."""

    def __init__(self) -> None:
        self._state: SweepState | None = None
        self._dead = False
        self._promoted: dict[int, str] = {}
        self._opened: dict[Key, str] = {}
        self._skipped: dict[Key, dict[str, list[int]]] = {}
        self._driver = ""
        self._at = 0
        self._values: dict[int, float] = {}  # of the trials that ended, more is better
        self.pending: dict[Key, Pending] = {}
        """What is not written yet, by run."""
        self.columns = Columns()
        """What the saved views show of the parameters."""
        self.confirmed: ConfirmationResult | None = None
        """The result of the last confirmation."""
        self.promotions: list[str] = []
        """A line for each promotion."""
        self.taken = 0
        """Events taken so far."""

    @property
    def state(self) -> SweepState:
        """The sweep as far as it was taken."""
        if self._state is None:
            raise JournalError("the journal is empty: this sweep died before it began")
        return self._state

    def take(self, event: Event) -> None:
        """Remember what `event`, the next one of the journal, changes."""
        if self._state is None:
            self._state = replay([event])
        else:
            apply(self._state, event)
        self._at = round(event.t * 1000)
        self.taken += 1
        number = event.trial if isinstance(event, kinds.OfTrial | kinds.RunFileWritten) else None
        pending = self.touch(number, lived=not isinstance(event, AFTERWARDS))
        match event:
            case kinds.SweepStarted():
                pending.texts["spec.yaml"] = (event.n, event.spec_text)
            case kinds.FloorsMeasured():
                self._floors(event)
            case kinds.TrialStarted():
                self.columns.add(event.system, event.chosen, runs.params(self.state, number))
                for name, value in event.params.items():
                    if len(str(value)) > names.PARAM_LENGTH:
                        pending.texts[f"params/{names.clean(name)}.txt"] = (event.n, str(value))
            case kinds.RecordTaken():
                self._record(event)
            case kinds.TrialEnded():
                if event.error:
                    pending.texts["error.txt"] = (event.n, event.error)
                self._lead(event)
            case kinds.Confirmed():
                self._confirmation(event)
            case kinds.Promoted():
                where = f"{event.model}/{event.version}@{event.alias}"
                self._promoted[event.trial] = where
                forced = f", though a gate refused: {event.forced}" if event.forced else ""
                self.promotions.append(f"promoted {names.date(event.t)}: trial {event.trial:04d} as {where}{forced}")
            case kinds.SweepPaused() | kinds.SweepResumed() | kinds.SweepEnded():
                self.touch_open()
        if isinstance(event, kinds.SweepStarted | kinds.SweepResumed):
            self._driver = f"{event.clock.pid}@{event.clock.host}"

    def settle(self) -> None:
        """Show whatever has no outcome as killed: the process that ran the sweep is dead."""
        self._dead = self.state.status == "running"
        self.touch_open()

    def touch_open(self) -> None:
        """Have the runs of the sweep and of every trial without an outcome written again."""
        for key in (None, *(trial.number for trial in self.state.trials.values() if trial.outcome is None)):
            self.touch(key)

    def touch(self, key: Key, *, lived: bool = True) -> Pending:
        """Return what is to be written of a run, up to the last event; `lived` where the run was not over before."""
        pending = self.pending.setdefault(key, Pending(self._at, self._at, -1))
        if lived:
            pending.until = self._at
        pending.through = self.taken - 1
        return pending

    def _floors(self, event: kinds.FloorsMeasured) -> None:
        """Show each floor and ceiling as a run: at the first and the last epoch, so that charts draw it as a line."""
        last = self.state.spec.budget.epochs
        for name, figures in {**event.floors, **event.ceilings}.items():
            best = _best(self.state.objectives[0].of_figures(figures), figures)
            for step in (0, last):
                self._metrics(name, event, step, [*names.figures(figures, "dev"), *best.items()])

    def _record(self, event: kinds.RecordTaken) -> None:
        trial, record = self.state.trials[event.trial], event.record
        objective = self.state.objectives[0]
        best = trial.best(objective)
        named = dict(names.record_metrics(record))
        if best is not None:
            named |= _best(objective.of(best), best.figures)
        self._metrics(trial.number, event, record.epoch, named.items())
        # the best and the last record stand for all others, so that memory does not grow with the epochs
        trial.records[:] = [record] if best is None or best is record else [best, record]
        trial.checkpoints.clear()

    def _lead(self, event: kinds.TrialEnded) -> None:
        """Show the best trial of those that ended on the sweep's run; the step is how many have."""
        state, objective = self.state, self.state.objectives[0]
        best = state.trials[event.trial].best(objective)
        value = objective.of(best)
        if value is not None and names.finite(value):
            self._values[event.trial] = objective.sign * value
        if not self._values:
            return
        leader = min(self._values, key=lambda number: (-self._values[number], number))
        best = state.trials[leader].best(objective)
        assert best is not None, "it has a value"
        named = _best(objective.of(best), best.figures)
        floors = (objective.of_figures(figures) for figures in state.floors.values())
        if known := [objective.sign * floor for floor in floors if floor is not None]:
            named[names.GAIN] = self._values[leader] - max(known)
        self._metrics(None, event, state.finished, named.items())

    def _confirmation(self, event: kinds.Confirmed) -> None:
        """Show test figures on the runs of finalists, floors and ceilings; the step is the confirmation's number."""
        result, step = event.result, event.confirmation
        if result is None:
            return
        self.confirmed = result
        told = f"{names.date(event.t)}, test opened {result.opened} time{'s' * (result.opened > 1)}"
        finalists: dict[Key, Figures] = {row.trial: row.test for row in result.finalists}
        self._opened |= dict.fromkeys((None, *finalists), told)
        for key, figures in [*result.floors.items(), *result.ceilings.items(), *finalists.items()]:
            self._metrics(key, event, step, names.figures(figures, "test"))

    def _metrics(self, key: Key, event: Event, step: int, named: Iterable[tuple[str, float]]) -> None:
        pending = self.touch(key, lived=not isinstance(event, AFTERWARDS))
        for name, value in named:
            if names.finite(value):
                metric = Metric(name, float(value), round(event.t * 1000), step)
                pending.metrics.append((event.n, metric))
            else:
                first_and_count = self._skipped.setdefault(key, {}).setdefault(name, [step, 0])
                first_and_count[1] += 1

    def outcome(self, key: Key) -> str:
        """Return one of the keys of `names.STATUS`."""
        stopped = self._dead or self.state.status != "running"
        match key:
            case None:
                return "complete" if self.state.status == "ended" else "killed" if stopped else "running"
            case int():
                trial = self.state.trials[key]
                return trial.outcome or ("killed" if stopped or trial.paused else "running")
            case str():
                return runs.kind(self.state, key)

    def tags(self, key: Key) -> dict[str, str]:
        """Return the tags of a run that change while a sweep runs, all but those of a trial's own."""
        tags = {names.OUTCOME: self.outcome(key)}
        if key in self._opened:
            tags[names.CONFIRMED] = self._opened[key]
        if key in self._skipped:
            tags[names.SKIPPED] = names.cut(f"not a finite number: {names.times(self._skipped[key])}")
        if isinstance(key, int):
            tags |= self._of_trial(key)
        if key is None:
            tags[names.DRIVER] = self._driver
            tags[names.BUDGET] = runs.budget(self.state)
            tags[names.SYSTEM] = names.cut(", ".join(sorted(self.columns.systems)))
            if self._promoted:
                tags[names.PROMOTED] = ", ".join(dict.fromkeys(self._promoted.values()))
        return tags

    def _of_trial(self, number: int) -> Iterator[tuple[str, str]]:
        trial = self.state.trials[number]
        best = trial.best(self.state.objectives[0])
        yield names.DIAGNOSES, names.cut(", ".join(leaderboard.diagnoses(self.state, trial)))
        if best is not None:
            yield names.BEST_EPOCH, str(best.epoch)
        if trial.error:
            yield names.ERROR, names.cut(trial.error)
        if trial.faults:
            yield names.FAULTS, names.cut("; ".join(f"{each.fault} {each.detail}" for each in trial.faults))
        if number in self._promoted:
            yield names.PROMOTED, self._promoted[number]


def _best(value: float | None, figures: Figures) -> dict[str, float]:
    """Return the metrics of a best epoch."""
    return ({} if value is None else {names.VALUE: value}) | dict(names.figures(figures, "best"))
