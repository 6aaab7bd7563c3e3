"""From journal events to MLflow runs: one for the sweep, with one inside it for each floor, ceiling and trial.

What MLflow should hold is a function of the journal alone, so writing it twice adds nothing. A run is found again by
its tags. Its tag `nvf.through` is the number of the last event that it shows, written after everything else.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Self

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from nvf.journal.kinds import Event, RecordTaken, Replicated
from nvf.journal.leaderboard import leaderboard
from nvf.journal.replay import SweepState
from nvf.redaction import safe
from nvf.tracking import names, runs, server, views
from nvf.tracking.content import Content, Pending
from nvf.tracking.note import markdown
from nvf.tracking.runs import Key, Shown

NOTE_SECONDS = 3.0
METRICS_PER_BATCH, PARAMS_PER_BATCH = 900, 90
SILENT = (RecordTaken, Replicated)
"""Events that do not change the note at once."""


class Projection:
    """The runs of one sweep, in the experiment that holds all sweeps.

    `take` only remembers; `write` talks to MLflow and may be called again after an error.
    """

    def __init__(self, mlflow: MlflowClient, experiment: str) -> None:
        self._mlflow = mlflow
        self.experiment = experiment
        self._content = Content()
        self._shown: dict[Key, Shown] | None = None
        self._views_saved: tuple[int, bool] | None = None
        self._note_due = False
        self._note_written = 0.0
        self.created = 0
        """Runs created so far."""
        self.metrics = 0
        """Metrics written so far."""

    @classmethod
    def connect(cls) -> Self:
        """Return the projection of a sweep to the tracking server in use; raises `TrackingError`."""
        mlflow = server.client()
        return cls(mlflow, server.experiment(mlflow))

    @property
    def state(self) -> SweepState:
        """The sweep as far as it was taken."""
        return self._content.state

    @property
    def taken(self) -> int:
        """Events taken so far."""
        return self._content.taken

    @property
    def behind(self) -> bool:
        """Whether anything taken is not written yet; the note may be, for it is written every few seconds only."""
        return bool(self._content.pending)

    def take(self, events: Iterable[Event]) -> None:
        """Remember what `events`, the next ones of the journal, change."""
        for event in events:
            self._content.take(event)
            self._note_due |= not isinstance(event, SILENT)

    def settle(self) -> None:
        """Show whatever has no outcome as killed: the process that ran the sweep is dead."""
        self._content.settle()

    def link(self) -> str | None:
        """Return the address of the sweep's leaderboard in the MLflow UI."""
        return views.link(self.experiment, self.state) if self.taken else None

    def write(self, *, final: bool = False) -> bool:
        """Bring MLflow level with what was taken; with `final`, the note too. Raises what MLflow raises."""
        if self._shown is None:
            self._shown = runs.find(self._mlflow, self.experiment, self.state)
            views.introduce(self._mlflow, self.experiment)
        due = self._note_due and (final or time.monotonic() - self._note_written > NOTE_SECONDS)
        if due or None not in self._shown:
            self._content.touch(None, lived=False)
        for key in sorted(self._content.pending, key=_order):
            try:
                self._write_run(key, self._shown, due)
            except MlflowException as error:
                if not self._deleted(key, error):
                    raise
            del self._content.pending[key]
        if due:
            self._note_due, self._note_written = False, time.monotonic()
        self._save_views()
        return not self.behind

    def _deleted(self, key: Key, error: MlflowException) -> bool:
        """Whether a write failed since the user deleted the run: it stays so until `nvf sync`."""
        run = (self._shown or {}).get(key)
        return run is not None and error.error_code in runs.GONE and not runs.exists(self._mlflow, run.id)

    def _write_run(self, key: Key, shown: dict[Key, Shown], note: bool) -> None:
        pending, outcome = self._content.pending[key], self._content.outcome(key)
        if key not in shown:
            shown[key] = self._create(key, pending)
        run = shown[key]
        tags = self._content.tags(key)
        if key is not None:
            tags[names.PARENT] = self.parent
        tags |= self._texts(run, pending)
        if note and key is None:
            tags[names.NOTE] = self._note()
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

    def _note(self) -> str:
        links = {view: views.inside(self.experiment, self.state, view) for view in views.MODES}
        return markdown(leaderboard(self.state), self._content.confirmed, self._content.promotions, links)

    def _params(self, key: Key) -> list[Param]:
        found = runs.params(self.state, key)
        return [Param(names.clean(name), names.cut(str(value), names.PARAM_LENGTH)) for name, value in found.items()]

    def _create(self, key: Key, pending: Pending) -> Shown:
        tags, name = runs.tags(self.state, key), runs.name(self.state, key)
        if key is not None:
            tags[names.PARENT] = self.parent
        try:
            run = self._mlflow.create_run(self.experiment, start_time=pending.since, tags=tags, run_name=name)
        except Exception:
            self._shown = None  # a server that dies before it answers may have made it: look before the next try
            raise
        self.created += 1
        return Shown.of(run)

    @property
    def parent(self) -> str:
        """Id of the sweep's run; it exists after the first `write`."""
        assert self._shown is not None
        return self._shown[None].id

    def _save_views(self) -> None:
        columns, confirmed = self._content.columns, self._content.confirmed is not None
        if self._views_saved != (columns.changes, confirmed):
            views.save(self._mlflow, self.experiment, self.state, self.parent, columns, confirmed=confirmed)
            self._views_saved = (columns.changes, confirmed)


def _order(key: Key) -> tuple[int, str]:
    """Sort the sweep's run before all others: they name it."""
    return (0, "") if key is None else (1, key) if isinstance(key, str) else (2, f"{key:09d}")
