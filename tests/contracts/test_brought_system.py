"""A system of some sixty lines that is not nvf's own keeps what every system keeps, and is searched like one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nvf.errors import SpecError, UsageError
from nvf.sweep.spec import load
from nvf.systems import SYSTEMS, PairSystem, create, register
from nvf.systems.base import System
from nvf.systems.catalogue import catalogue, diagnoses
from nvf.tasks.base import Task
from nvf.testing import inspected
from nvf.training import checkpoint
from nvf.training.loop import Training
from tests.contracts.test_device_contract import compare
from tests.contracts.test_system_contract import task, vectors, windows
from tests.contracts.test_withheld_contract import losses, moved, withheld
from tests.contracts.test_withheld_contract import vectors as shared
from tests.diagnostics.test_detectors import VECTORS, run, spec
from tests.plugged import PACKAGE, plugged
from tests.plugin.test_poly import TestHinge, TestNpz, TestPoly, TestRankBiasedPrecision

__all__ = ["TestHinge", "TestNpz", "TestPoly", "TestRankBiasedPrecision", "shared", "task", "vectors", "windows"]
FILE = PACKAGE / "system.py"


@pytest.fixture(scope="module", autouse=True)
def brought(installed: Path) -> Iterator[type[System]]:
    """The system, as long as these tests run."""
    with plugged(installed):
        yield SYSTEMS["poly"]


def test_it_is_small() -> None:
    assert len(FILE.read_text().splitlines()) < 70


def test_any_device_gives_the_same(vectors: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    compare("poly", {}, vectors, monkeypatch)


def test_its_loss_does_not_depend_on_withheld_pairs(shared: Task) -> None:
    part = withheld(shared)
    for mine, other in zip(losses("poly", {}, part), losses("poly", {}, moved(part)), strict=True):
        assert mine == pytest.approx(other, abs=1e-6)


def test_a_trial_goes_on_from_its_checkpoint(vectors: Task, tmp_path: Path) -> None:
    def new() -> Training:
        return Training(create("poly", {}, vectors.corpus), vectors, seed=0, epochs=3, measures=["nDCG@10"])

    training = new()
    training.start()
    checkpoint.save(tmp_path / "one", training, training.epoch(1))
    again = new()
    checkpoint.resume(tmp_path / "one", again)
    left, right = training.epoch(2), again.epoch(2)
    assert (left.losses, left.figures, left.statistics) == (right.losses, right.figures, right.statistics)


def test_it_is_listed_with_what_it_offers() -> None:
    entry = catalogue()["poly"]
    assert entry.kind == "trained" and entry.transfers
    assert entry.summary == "score(q, d) = max over c of cos(q + W_c q, d), trained over the whole corpus."
    assert list(entry.params) == ["lr", "batch_size", "weight_decay", "train_share", "loss", "codes", "temperature"]
    assert "one_code_does_it_all" in diagnoses()


def test_a_sweep_searches_it_and_stops_by_its_diagnosis(mlruns: Path, tmp_path: Path) -> None:
    state = run(tmp_path / "well", spec((VECTORS, "poly", {"lr": 3e-3})))
    first, *_, last = (record.figures["all"]["nDCG@10"] for record in state.trials[0].records)
    assert state.trials[0].outcome == "complete" and last > first
    file = tmp_path / "sweep.yaml"
    text = (
        "name: p\ntask: {source: synthetic}\nsystem: poly\nstop: [%s]\nspace: {lr: {float: [0.001, 0.01], log: true}}\n"
    )
    file.write_text(text % "one_code_does_it_all")
    assert load(file)[0].stop == ("one_code_does_it_all",)
    file.write_text(text % "one_code_does_all")
    with pytest.raises(SpecError, match="did you mean 'one_code_does_it_all'"):
        load(file)


def test_its_diagnosis_shows(vectors: Task) -> None:
    system = create("poly", {}, vectors.corpus)
    system.prepare(vectors, 0)
    state = system.state()
    state["weight"][:1] = 0.0
    state["weight"][1:] = -torch.eye(vectors.corpus.dim)  # the other codes see nothing
    system.load_state(state)
    (found,) = inspected(system, vectors.split("dev")).diagnoses
    assert found.name == "one_code_does_it_all"


def test_what_cannot_be_registered_is_refused(brought: type[System]) -> None:
    with pytest.raises(UsageError, match="'linear' is a system of nvf.systems.linear already"):
        register("linear", source="nowhere")(brought)
    with pytest.raises(UsageError, match="'my.poly' is no name of a system"):
        register("my.poly", source="nowhere")(brought)

    class Bare(PairSystem):
        pass

    with pytest.raises(UsageError, match=r"Bare does not say its parameters: write PairSystem\[Params\]"):
        register("bare", source="nowhere")(Bare)
    assert "bare" not in SYSTEMS and brought.name == "poly"
