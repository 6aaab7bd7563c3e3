"""The one search state: an in-memory Optuna study, rebuilt from the journal."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
from pydantic import JsonValue
from sqlalchemy import URL, event
from sqlalchemy.exc import SQLAlchemyError

from nvf import atomic
from nvf.errors import SweepError
from nvf.journal import replay
from nvf.spec.form import Spec
from nvf.sweep import pruner, sampler
from nvf.sweep.space import Setting, Space
from nvf.training.record import Record

DRAWN = ("fixed_params", "tpe:")
"""What the names of notes on how a trial's parameters were drawn begin with."""
STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "stopped": TrialState.PRUNED,
    "infeasible": TrialState.FAIL,
    "failed": TrialState.FAIL,
}


class SearchStudy:
    """Asks Optuna for settings, reports to it, lets it prune.

    Trial numbers are Optuna's and the journal's alike. Only trained epochs (1, 2, ...) are reported: epoch 0 is the
    untrained system and says nothing about a setting. The journaled trials of `state` enter the study with their
    states, values and the pruner's rungs. Raises `Misfit` where the spec does not fit this nvf.
    """

    def __init__(self, spec: Spec, state: replay.SweepState | None = None) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._spec = spec
        self._space = Space(spec)
        self._objectives = spec.objectives
        directions = [
            StudyDirection.MAXIMIZE if objective.sign > 0 else StudyDirection.MINIMIZE for objective in self._objectives
        ]
        self._study = optuna.create_study(study_name=spec.name, directions=directions, pruner=pruner.make(spec))
        self._live: dict[int, Trial] = {}
        for _, trial in sorted(state.trials.items() if state else ()):
            self._replay(trial)

    def ask(self, number: int) -> tuple[Setting, dict[str, str]]:
        """Return the setting of trial `number` and the distributions it was drawn from, as texts."""
        self._study.sampler = sampler.make(self._spec, number)
        if number < len(self._spec.start):
            self._study.enqueue_trial(dict(self._spec.start[number]))
        trial = self._study.ask()
        assert trial.number == number, "the study's numbers are the journal's"
        setting = self._space.settings(self._space.suggest(trial))
        trial.set_user_attr(pruner.SYSTEM_ATTR, setting.system)
        self._live[number] = trial
        drawn = {name: distribution_to_json(domain) for name, domain in trial.distributions.items()}
        return setting, drawn

    def report(self, number: int, record: Record) -> tuple[bool, dict[str, JsonValue]]:
        """Tell of a record; return whether the trial should be pruned, and the pruner's notes on it."""
        trial = self._live[number]
        value = self._objectives[0].of(record)
        if record.epoch == 0 or value is None or len(self._objectives) > 1:
            return False, self._attrs(trial)
        trial.report(value, record.epoch)
        return trial.should_prune(), self._attrs(trial)

    def tell(self, trial: replay.TrialState) -> None:
        """Close a trial with its journaled outcome."""
        live = self._live.pop(trial.number)
        state, values = self._ending(trial)
        self._study.tell(live, values, state)

    def export(self, path: Path) -> None:
        """Write the study as SQLite for optuna-dashboard; a trial without an outcome stands as pruned.

        Raises `SweepError` where it cannot be written; the study is made from the journal, and so can be made again.
        """
        try:
            with atomic.whole(path) as fresh:
                self._export(fresh)
        except (OSError, SQLAlchemyError, StorageInternalError) as error:
            raise SweepError(f"{path} cannot be written: {str(error).splitlines()[0]}") from None

    def _export(self, partial: Path) -> None:
        storage = RDBStorage(URL.create("sqlite", database=str(partial)).render_as_string())
        # The file is made anew from the journal at any time: waiting for the disk at every row buys nothing.
        event.listen(storage.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        storage.engine.dispose()
        copy = optuna.create_study(
            storage=storage, study_name=self._study.study_name, directions=self._study.directions
        )
        copy.add_trials([_closed(trial) for trial in self._study.get_trials(deepcopy=True)])
        storage.engine.dispose()

    def _replay(self, trial: replay.TrialState) -> None:
        state, values = self._ending(trial) if trial.outcome else (TrialState.RUNNING, None)
        reported = {
            record.epoch: value
            for record in trial.records
            if record.epoch > 0 and (value := self._objectives[0].of(record)) is not None
        }
        single = len(self._objectives) == 1
        if state is TrialState.PRUNED and single:
            values = [reported[max(reported)]]
        frozen = create_trial(
            state=state,
            values=values,
            params={name: trial.chosen[name] for name in trial.distributions},
            distributions={name: json_to_distribution(text) for name, text in trial.distributions.items()},
            user_attrs={pruner.SYSTEM_ATTR: trial.system},
            system_attrs=trial.attrs,
            intermediate_values=reported if single else {},
        )
        self._study.add_trial(frozen)
        if trial.outcome is None:
            self._study.sampler = optuna.samplers.RandomSampler(seed=0)
            self._live[trial.number] = Trial(self._study, self._study.get_trials(deepcopy=False)[-1]._trial_id)

    def _ending(self, trial: replay.TrialState) -> tuple[TrialState, list[float] | None]:
        state = STATES[trial.outcome or "failed"]
        if state is not TrialState.COMPLETE:
            return state, None
        best = trial.best(self._objectives[0])
        values = [objective.of(best) for objective in self._objectives]
        if any(value is None for value in values):
            return TrialState.FAIL, None
        return state, [value for value in values if value is not None]

    def _attrs(self, trial: Trial) -> dict[str, JsonValue]:
        """Return the pruner's notes; what Optuna notes of a start or a draw is the journal's already, and would be
        lost by a driver that dies before the first record."""
        attrs = self._study._storage.get_trial_system_attrs(trial._trial_id)
        return {name: value for name, value in attrs.items() if not name.startswith(DRAWN)}


def _closed(trial: FrozenTrial) -> FrozenTrial:
    if not trial.state.is_finished():
        trial.state = TrialState.PRUNED if trial.intermediate_values else TrialState.FAIL
        trial.datetime_complete = trial.datetime_start
    return trial
