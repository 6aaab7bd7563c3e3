"""What a sweep file would do, without doing it."""

from __future__ import annotations

import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import optuna

from nvf.errors import NvfError, SpecError
from nvf.journal import events, folders, replay
from nvf.spec.form import KeyPath, Spec
from nvf.sweep import looking, sampler
from nvf.sweep.space import Space
from nvf.sweep.spec import load

SAMPLES = 4


def preview(path: str, overrides: list[str]) -> dict[str, Any]:
    """Return what the sweep file at `path` would run, as plain data, after a look at its data.

    Raises
    ------
    SpecError, TaskError, EncoderError
        Where file or data would be refused by `nvf sweep`.
    """
    spec, document = load(Path(path), overrides)

    def fail(at: KeyPath, error: NvfError | str) -> NoReturn:
        raise SpecError(document.problem(at, str(error)))

    space = Space(spec, fail)
    try:
        seen = looking.look(spec)
    except looking.Unfit as error:
        fail(error.at, error.message)
    repeats = space.repeats(spec.search.trials)
    return {
        "file": path,
        "name": spec.name,
        "task": spec.task,
        "data": [asdict(each) for each in seen],
        "settings": space.distinct(spec.search.trials),
        "trials": spec.search.trials,
        "warnings": [repeats] if repeats else [],
        "resources": {"cpu": spec.resources.cpu, "gpu": spec.resources.gpu},
        "cost": {
            "epochs": spec.search.trials * spec.budget.epochs,
            "epochs_per_trial": spec.budget.epochs,
            "time": spec.budget.time,
            "seconds_per_epoch": _seconds_per_epoch(spec),
        },
        "samples": _samples(spec, space),
    }


def _samples(spec: Spec, space: Space) -> list[dict[str, Any]]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    samples = []
    for number in range(min(len(spec.start) + SAMPLES, spec.search.trials)):
        study.sampler = sampler.make(spec, number)
        if number < len(spec.start):
            study.enqueue_trial(dict(spec.start[number]))
        setting = space.settings(space.suggest(study.ask()))
        samples.append({"start": number < len(spec.start), "system": setting.system, "params": setting.chosen})
    return samples


def _seconds_per_epoch(spec: Spec) -> float | None:
    """Return what an epoch took in earlier sweeps of this task, by these systems; None where there were none."""
    times: list[float] = []
    for name in folders.names():
        try:
            state = replay.replay(events.read(folders.find(name)))
        except NvfError:
            continue
        if state.spec.task == spec.task:
            same = [trial for trial in state.trials.values() if trial.system in spec.system]
            times += [record.clock["seconds"] for trial in same for record in trial.records if record.epoch]
    return statistics.median(times) if times else None
