"""Samplers and pruners by name: nvf's own, and those of installed packages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.pruners import ThresholdPruner
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler

from nvf.errors import SpecError
from nvf.spec.form import Spec
from nvf.sweep import pruner, sampler
from nvf.sweep.preview import preview
from nvf.sweep.spec import load
from tests.plugged import plugged
from tests.test_plugins import install

TEXT = "name: s\ntask: {source: synthetic}\nsystem: linear\nspace: {lr: {log: [0.001, 0.1]}}\n"
MODULE = """
from optuna.pruners import ThresholdPruner
from optuna.samplers import QMCSampler
def qmc(seed, spec): return QMCSampler(seed=seed, scramble=True)
def low(spec): return ThresholdPruner(lower=0.1)
def none(*_): return None
def front(seed, spec): raise ValueError("not for one objective")
"""


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "site").mkdir()
    points = "".join(f"{name} = drawers:{name}\n" for name in ("qmc", "none", "front"))
    install(tmp_path / "site", "drawers", points + "[nvf.pruners]\nlow = drawers:low", MODULE, group="nvf.samplers")
    with plugged(tmp_path / "site"):
        yield tmp_path / "sweep.yaml"


def written(file: Path, more: str) -> Spec:
    file.write_text(TEXT + more)
    return load(file)[0]


def test_a_package_brings_a_sampler(file: Path) -> None:
    spec = written(file, "search: {sampler: qmc, trials: 4}\n")
    assert isinstance(sampler.make(spec, 0), QMCSampler)
    first, again = ([each.params for each in preview(str(file), []).samples] for _ in range(2))
    assert first == again and len({each["lr"] for each in first}) == 4


def test_a_package_brings_a_pruner_which_sees_one_system(file: Path) -> None:
    made = pruner.make(written(file, "pruner: {kind: low}\n"))
    assert isinstance(made, pruner.WithinSystem) and isinstance(made._pruner, ThresholdPruner)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("search: {sampler: tpee}\n", "sweep.yaml:5: search.sampler: unknown sampler 'tpee'; did you mean 'tpe'?"),
        ("search: {sampler: front}\n", "drawers 1.2 .*ValueError: not for one objective.*pip uninstall drawers"),
        ("search: {sampler: none}\n", "sampler 'none' of the package drawers 1.2 .*None is no BaseSampler"),
        ("pruner: {kind: medien}\n", "sweep.yaml:5: pruner.kind: unknown pruner 'medien'; did you mean 'median'?"),
    ],
)
def test_what_cannot_be_made_is_refused_with_its_line(file: Path, more: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        written(file, more)


@pytest.mark.parametrize(("name", "kind"), [("tpe", TPESampler), ("random", RandomSampler)])
def test_own_samplers(file: Path, name: str, kind: type[BaseSampler]) -> None:
    assert type(sampler.make(written(file, f"search: {{sampler: {name}}}\n"), 3)) is kind


def test_a_trial_draws_by_its_number_and_the_seed_alone(file: Path) -> None:
    def draws(seed: int, trial: int) -> list[float]:
        study = optuna.create_study(sampler=sampler.make(written(file, f"search: {{seed: {seed}}}\n"), trial))
        return [study.ask().suggest_float("lr", 0, 1) for _ in range(2)]

    assert draws(0, 3) == draws(0, 3)
    assert len({tuple(draws(seed, trial)) for seed in (0, 1) for trial in (3, 4)}) == 4
