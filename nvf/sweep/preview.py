"""What a sweep file would do, without doing it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nvf.errors import NvfError, SpecError
from nvf.journal.facts import Params
from nvf.journal.folders import SweepFolder
from nvf.spec.form import Misfit, Resources, Spec
from nvf.sweep import looking
from nvf.sweep.space import Space
from nvf.sweep.spec import load
from nvf.sweep.study import SearchStudy
from nvf.tasks.outline import Look

SAMPLES = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """How much is trained at most: epochs, and seconds after which the sweep ends, or None.

    `seconds_per_epoch` is as in earlier sweeps of this task; None where there were none.
    """

    epochs: int
    epochs_per_trial: int
    time: float | None
    seconds_per_epoch: float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """A setting that the space gives; `start` where the file names it."""

    start: bool
    system: str
    params: Params


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What a sweep file would run, as `nvf check --json` prints it.

    Attributes
    ----------
    file, name
        The file, and the sweep's name.
    task, data
        The task's options, and what its files hold; those that are judged besides come after.
    settings, trials
        How many different settings the space has (no more than there are trials are counted), and how many trials run.
    warnings
        What is likely not meant.
    resources, cost, samples
        What it takes, and some of the settings.
    """

    file: str
    name: str
    task: dict[str, Any]
    data: list[Look]
    settings: int
    trials: int
    warnings: list[str]
    resources: Resources
    cost: Cost
    samples: list[Sample]


def preview(path: str, overrides: list[str]) -> Preview:
    """Return what the sweep file at `path` would run, after a look at its data; raises what `nvf sweep` would."""
    spec, document = load(Path(path), overrides)
    space = Space(spec)
    try:
        seen = looking.look(spec)
    except Misfit as error:
        raise SpecError(document.problem(error.at, error.message)) from None
    repeats = space.repeats(spec.search.trials)
    trials, epochs = spec.search.trials, spec.budget.epochs
    return Preview(
        file=path,
        name=spec.name,
        task=spec.task,
        data=seen,
        settings=space.distinct(trials),
        trials=trials,
        warnings=[repeats] if repeats else [],
        resources=spec.resources,
        cost=Cost(trials * epochs, epochs, spec.budget.time, _seconds_per_epoch(spec)),
        samples=_samples(spec),
    )


def _samples(spec: Spec) -> list[Sample]:
    study, starts = SearchStudy(spec), len(spec.start)
    drawn = [study.ask(number)[0] for number in range(min(starts + SAMPLES, spec.search.trials))]
    return [Sample(number < starts, setting.system, setting.chosen) for number, setting in enumerate(drawn)]


def _seconds_per_epoch(spec: Spec) -> float | None:
    """Return what an epoch took in earlier sweeps of this task, by these systems; None where there were none."""
    times: list[float] = []
    for sweep in SweepFolder.all():
        try:
            state = sweep.state()
        except NvfError:
            continue
        if state.spec.task == spec.task:
            same = [trial for trial in state.trials.values() if trial.system in spec.system]
            times += [record.clock["seconds"] for trial in same for record in trial.records if record.epoch]
    return statistics.median(times) if times else None
