"""From journal events to MLflow runs: one for the sweep, with one inside it for each trial.

What MLflow should hold is a function of the journal alone, so writing it twice adds nothing. A run is found again by
its tags. Its tag `nvf.through` is the number of the last event that it shows, written after everything else.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from nvf.errors import JournalError
from nvf.journal import leaderboard
from nvf.journal.events import Event
from nvf.journal.replay import SweepState, apply, replay
from nvf.redaction import safe
from nvf.tracking import names, runs, views
from nvf.tracking.note import markdown
from nvf.tracking.runs import Key, Shown

NOTE_SECONDS = 3.0
METRICS_PER_BATCH, PARAMS_PER_BATCH = 900, 90


@dataclass(slots=True)
class Pending:
    """What is still to be written of one run.

    Attributes
    ----------
    since, until
        Time of the first and of the last event, in milliseconds since 1970.
    through
        Number of the last event.
    metrics, texts
        Metrics, and artifacts by name, each with the number of its event.
    """

    since: int
    until: int
    through: int
    metrics: list[tuple[int, Metric]] = field(default_factory=list)
    texts: dict[str, tuple[int, str]] = field(default_factory=dict)


class Projection:
    """The runs of one sweep. `take` only remembers; `write` talks to MLflow and may be called again after an error.

    Parameters
    ----------
    mlflow
        The client.
    experiment
        Id of the experiment that holds all sweeps.
    """

    def __init__(self, mlflow: MlflowClient, experiment: str) -> None:
        self._mlflow = mlflow
        self.experiment = experiment
        self._state: SweepState | None = None
        self._dead = False
        self._pending: dict[Key, Pending] = {}
        self._shown: dict[Key, Shown] | None = None
        self._promoted: dict[int, str] = {}
        self._confirmed: dict[Key, str] = {}
        self._skipped: dict[Key, dict[str, list[int]]] = {}
        self._driver = ""
        self._view_params: frozenset[str] | None = None
        self._note_due = False
        self._note_written = 0.0
        self._at = 0
        self.taken = 0
        """Events taken so far."""
        self.created = 0
        """Runs created so far."""
        self.metrics = 0
        """Metrics written so far."""

    @property
    def state(self) -> SweepState:
        """The sweep as far as it was taken."""
        if self._state is None:
            raise JournalError("the journal is empty: this sweep died before it began")
        return self._state

    @property
    def behind(self) -> bool:
        """Whether anything taken is not written yet; the note may be, for it is written every few seconds only."""
        return bool(self._pending)

    def take(self, events: Iterable[Event]) -> None:
        """Remember what `events`, the next ones of the journal, change."""
        for event in events:
            if self._state is None:
                self._state = replay([event])
            else:
                apply(self._state, event)
            self._at = round(event["t"] * 1000)
            self.taken += 1
            self._fold(event)

    def settle(self) -> None:
        """Show whatever has no outcome as killed: the process that ran the sweep is dead."""
        self._dead = self.state.status == "running"
        for key in self._open_runs():
            self._touch(key)

    def _fold(self, event: Event) -> None:
        number = event.get("trial")
        pending = self._touch(number)
        match event["kind"]:
            case "sweep_started":
                pending.texts["spec.yaml"] = (event["n"], event["spec_text"])
            case "floors":
                for kind, by_name in (("floor", event["floors"]), ("ceiling", event["ceilings"])):
                    for name, figures in by_name.items():
                        self._metrics(None, event, 0, names.figures(figures, f"{kind}_{name}"))
            case "trial_started":
                for name, value in event["params"].items():
                    if len(str(value)) > names.PARAM_LENGTH:
                        pending.texts[f"params/{names.clean(name)}.txt"] = (event["n"], str(value))
            case "record":
                self._record(event)
            case "trial_ended" if event["error"]:
                pending.texts["error.txt"] = (event["n"], event["error"])
            case "confirmed":
                self._confirmation(event)
            case "promoted":
                self._promoted[event["trial"]] = f"{event['model']}/{event['version']}@{event['alias']}"
            case "sweep_paused" | "sweep_resumed" | "sweep_ended":
                for key in self._open_runs():
                    self._touch(key)
        if event["kind"] in ("sweep_started", "sweep_resumed"):
            self._driver = "{pid}@{host}".format_map(event["clock"])
        self._note_due |= event["kind"] not in ("record", "promoted", "replicate")

    def _open_runs(self) -> list[Key]:
        return [None, *(trial.number for trial in self.state.trials.values() if trial.outcome is None)]

    def _touch(self, key: Key) -> Pending:
        pending = self._pending.setdefault(key, Pending(self._at, self._at, -1))
        pending.until, pending.through = self._at, self.taken - 1
        return pending

    def _record(self, event: Event) -> None:
        trial, record = self.state.trials[event["trial"]], event["record"]
        objective = self.state.objectives[0]
        metrics = dict(names.record_metrics(record))
        best = trial.best(objective)
        leads = best is record
        if leads:
            metrics |= {names.VALUE: objective.of(record), **dict(names.figures(record["figures"], "best"))}
        self._metrics(trial.number, event, record["epoch"], metrics.items())
        # the best and the last record stand for all others, so that memory does not grow with the epochs
        trial.records[:] = [record] if best is None or leads else [best, record]
        trial.checkpoints.clear()

    def _confirmation(self, event: Event) -> None:
        """Show test figures on the finalists' runs, and the floors' on the sweep's; the step is the confirmation's."""
        result, step = event["result"], event["confirmation"]
        at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(event["t"]))
        told = f"{at}, test opened {result['opened']} time{'s' * (result['opened'] > 1)}"
        self._confirmed[None] = told
        for name, figures in result["floors"].items():
            self._metrics(None, event, step, names.figures(figures, f"test_floor_{name}"))
        for row in result["finalists"]:
            self._confirmed[row["trial"]] = told
            self._metrics(row["trial"], event, step, names.figures(row["test"], "test"))

    def _metrics(self, key: Key, event: Event, step: int, named: Iterable[tuple[str, Any]]) -> None:
        pending = self._touch(key)
        for name, value in named:
            if names.finite(value):
                metric = Metric(name, float(value), round(event["t"] * 1000), step)
                pending.metrics.append((event["n"], metric))
            else:
                first_and_count = self._skipped.setdefault(key, {}).setdefault(name, [step, 0])
                first_and_count[1] += 1

    def write(self, *, final: bool = False) -> None:
        """Bring MLflow level with what was taken; with `final`, the note too. Raises what MLflow raises."""
        if self._shown is None:
            self._shown = runs.find(self._mlflow, self.experiment, self.state)
        due = self._note_due and (final or time.monotonic() - self._note_written > NOTE_SECONDS)
        if due or None not in self._shown:
            self._touch(None)
        for key in sorted(self._pending, key=lambda key: -1 if key is None else key):
            try:
                self._write_run(key, self._shown, due)
            except MlflowException as error:
                if not self._deleted(key, error):
                    raise
            del self._pending[key]
        if due:
            self._note_due, self._note_written = False, time.monotonic()
        self._save_views()

    def _deleted(self, key: Key, error: MlflowException) -> bool:
        """Whether a write failed since the user deleted the run: it stays so until `nvf sync`."""
        run = (self._shown or {}).get(key)
        return run is not None and error.error_code in runs.GONE and not runs.exists(self._mlflow, run.id)

    def _write_run(self, key: Key, shown: dict[Key, Shown], note: bool) -> None:
        pending, outcome = self._pending[key], self._outcome(key)
        if key not in shown:
            shown[key] = self._create(key, pending)
        run = shown[key]
        tags = self._tags(key, outcome)
        tags |= self._texts(run, pending)
        if note and key is None:
            tags[names.NOTE] = markdown(leaderboard.leaderboard(self.state))
        if pending.through > run.through:
            tags[names.THROUGH] = str(pending.through)
        tags = {name: value for name, value in tags.items() if run.tags.get(name) != value}
        metrics = [metric for number, metric in pending.metrics if number > run.through]
        params = self._params(key) if run.through < 0 else []
        if run.status != names.STATUS[outcome]:
            self._set_status(run.id, names.STATUS[outcome], pending.until)
        self._log(run.id, metrics, params, [RunTag(name, value) for name, value in tags.items()])
        run.status = names.STATUS[outcome]
        run.tags |= tags
        run.through = max(run.through, pending.through)
        self.metrics += len(metrics)

    def _log(self, run: str, metrics: list[Metric], params: list[Param], tags: list[RunTag]) -> None:
        """Write in as few requests as MLflow's limits allow, the tags (and so the mark `nvf.through`) in the last."""
        while len(metrics) > METRICS_PER_BATCH or len(params) > PARAMS_PER_BATCH:
            self._mlflow.log_batch(run, metrics[:METRICS_PER_BATCH], params[:PARAMS_PER_BATCH])
            metrics, params = metrics[METRICS_PER_BATCH:], params[PARAMS_PER_BATCH:]
        if metrics or params or tags:
            self._mlflow.log_batch(run, metrics, params, tags)

    def _set_status(self, run: str, status: str, at: int) -> None:
        if status == "RUNNING":
            self._mlflow.update_run(run, status=status)
        else:
            self._mlflow.set_terminated(run, status, at)

    def _texts(self, run: Shown, pending: Pending) -> dict[str, str]:
        """Upload texts; returns a tag that says so where artifacts cannot be written but MLflow answers."""
        try:
            for name, (number, text) in pending.texts.items():
                if number > run.through:
                    self._mlflow.log_text(run.id, text, name)
        except Exception as error:  # the artifact store is another machine than the server: figures go on without it
            return {names.ARTIFACTS: names.cut(f"could not be written: {safe(str(error))}")}
        return {}

    def _outcome(self, key: Key) -> str:
        """One of the keys of `names.STATUS`."""
        stopped = self._dead or self.state.status != "running"
        if key is None:
            return "complete" if self.state.status == "ended" else "killed" if stopped else "running"
        trial = self.state.trials[key]
        return trial.outcome or ("killed" if stopped or trial.paused else "running")

    def _tags(self, key: Key, outcome: str) -> dict[str, str]:
        """The tags that change while a sweep runs."""
        tags = {names.OUTCOME: outcome}
        if key in self._confirmed:
            tags[names.CONFIRMED] = self._confirmed[key]
        if key in self._skipped:
            tags[names.SKIPPED] = names.cut(f"not a finite number: {names.times(self._skipped[key])}")
        if key is None:
            tags[names.DRIVER] = self._driver
            tags[names.SYSTEM] = names.cut(", ".join(sorted({each.system for each in self.state.trials.values()})))
            return tags
        trial = self.state.trials[key]
        tags[names.PARENT] = self.parent
        tags[names.DIAGNOSES] = names.cut(", ".join(leaderboard.diagnoses(self.state, trial)))
        best = trial.best(self.state.objectives[0])
        if best is not None:
            tags[names.BEST_EPOCH] = str(best["epoch"])
        if trial.error:
            tags[names.ERROR] = names.cut(trial.error)
        if trial.faults:
            tags[names.FAULTS] = names.cut("; ".join(f"{each['fault']} {each['detail']}" for each in trial.faults))
        if key in self._promoted:
            tags[names.PROMOTED] = self._promoted[key]
        return tags

    def _params(self, key: Key) -> list[Param]:
        """All settings of a trial, its system among them."""
        if key is None:
            return []
        settings = {"system": self.state.trials[key].system, **self.state.trials[key].params}
        return [Param(names.clean(name), names.cut(str(value), names.PARAM_LENGTH)) for name, value in settings.items()]

    def _create(self, key: Key, pending: Pending) -> Shown:
        state = self.state
        if key is None:
            name, tags = state.name, runs.sweep_tags(state)
        else:
            trial = state.trials[key]
            name, tags = f"{state.name}/{key:04d} {trial.system}", runs.trial_tags(state, trial)
            tags[names.PARENT] = self.parent
        run = self._mlflow.create_run(self.experiment, start_time=pending.since, tags=tags, run_name=name)
        self.created += 1
        return Shown.of(run)

    @property
    def parent(self) -> str:
        """Id of the sweep's run; it exists after the first `write`."""
        assert self._shown is not None
        return self._shown[None].id

    def _save_views(self) -> None:
        chosen = frozenset(name for trial in self.state.trials.values() for name in trial.chosen)
        if chosen != self._view_params:
            views.save(self._mlflow, self.experiment, self.state, self.parent, sorted(chosen))
            self._view_params = chosen
