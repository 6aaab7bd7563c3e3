"""The device that a sweep file asks for, and what is made on it."""

from __future__ import annotations

import dataclasses
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nvf import devices, systems, tasks
from nvf.encoders import frozen
from nvf.errors import DeviceError
from nvf.sweep import ray_session
from nvf.sweep.orders import Order
from nvf.sweep.worker import Worker
from nvf.systems.base import System
from nvf.tasks.embedding_cache import embed
from nvf.training.floors import measure_floors
from tests import orders, tiny_encoder
from tests.elsewhere import DEVICE, elsewhere

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, so none can be lacking")


@pytest.fixture
def order(mlruns: Path, tmp_path: Path) -> Order:
    return orders.order(tmp_path / "trial", epochs=2, gpu=0.5)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """System and device of everything that is made from now on."""
    found: list[tuple[str, str]] = []
    original = System.__init__

    def noted(self: System, params: Any, corpus: Any, device: Any = "cpu") -> None:
        original(self, params, corpus, device)
        found.append((self.name, self.device.type))

    monkeypatch.setattr(System, "__init__", noted)
    return found


@no_gpu
def test_a_gpu_that_is_not_there_is_refused_by_what_trains(order: Order) -> None:
    assert devices.needed(0) == "cpu"
    with pytest.raises(DeviceError, match=r"resources.gpu = 0.5, but torch .*; or train on the CPU: --set resources"):
        devices.needed(0.5)
    report = Worker(order).step()
    assert report.error is not None and "resources.gpu = 0.5, but torch" in report.error


@no_gpu
def test_a_gpu_that_only_ray_sees_is_refused_before_anything_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_session, "_gpus", lambda: 1)
    with pytest.raises(DeviceError, match="resources.gpu = 1, but torch"):
        ray_session.look(None, cpu=1, gpu=1)


@no_gpu
def test_what_only_judges_takes_the_cpu_instead() -> None:
    with devices.using(1) as device:
        assert device == devices.current() == "cpu"


def test_the_current_device_ends_with_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "lacking", lambda: None)
    monkeypatch.setattr(devices, "GPU", "meta")
    with pytest.raises(ValueError), devices.using(0.25) as device:
        assert device == devices.current() == "meta"
        with devices.using(0):
            assert devices.current() == "cpu"
        assert devices.current() == "meta"
        raise ValueError
    assert devices.current() == "cpu"


def test_a_trial_runs_on_its_gpu(order: Order, made: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    def figures(gpu: float) -> list[Any]:
        worker = Worker(dataclasses.replace(order, gpu=gpu))
        return [record.figures for _ in range(3) if (record := worker.step().record)]

    with elsewhere(monkeypatch):
        there = figures(0.5)
    assert made == [("linear", DEVICE.type)]
    torch.testing.assert_close(there, figures(0))


def test_floors_are_measured_on_the_gpu(made: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks.build(orders.OPTIONS)
    with elsewhere(monkeypatch), devices.using(1):
        there = measure_floors(task, "dev", ["nDCG@10"])
    assert {device for _, device in made} == {DEVICE.type} and {"raw", "oracle"} <= {name for name, _ in made}
    torch.testing.assert_close(there.floors, measure_floors(task, "dev", ["nDCG@10"]).floors)


def test_texts_are_encoded_on_the_gpu(mlruns: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load, asked = frozen._model, []

    def noted(name: str, device: str) -> Any:
        asked.append(device)
        return load(name, "cpu")

    monkeypatch.setattr(frozen, "_model", noted)
    monkeypatch.setattr(devices, "lacking", lambda: None)
    with devices.using(1):
        there = embed(["one text of its own"], "minilm", 16)
    assert asked == ["cuda"]
    assert np.array_equal(there, frozen.load("minilm", 16, "cpu").encode(["one text of its own"]))


def test_an_encoder_does_not_stay_on_the_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials need the memory: what encoded the task's texts is let go of with its block."""
    tiny = str(tiny_encoder.build(tmp_path / "tiny", ["cats"]))
    monkeypatch.setattr(devices, "lacking", lambda: None)
    monkeypatch.setattr(devices, "GPU", "meta")
    frozen._model.cache_clear()
    with devices.using(0):
        frozen.load(tiny, 8)
    assert frozen._model.cache_info().currsize == 1, "on the CPU it waits for the next text"
    with devices.using(1):
        held = weakref.ref(frozen.load(tiny, 8)._model)
        assert held() is not None
    assert frozen._model.cache_info().currsize == 0 and held() is None


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="NO GPU HERE: the figures of CUDA were not compared with the CPU's"
)
@pytest.mark.parametrize(
    "name", [name for name, kind in systems.SYSTEMS.items() if kind.role == "floor" or kind.transfers]
)
def test_a_real_gpu_gives_the_figures_of_the_cpu(name: str, order: Order) -> None:
    task = tasks.open_snapshot(Path(order.task))
    if (reason := systems.SYSTEMS[name].applies_to(task)) is not None:
        pytest.skip(reason)

    def figures(gpu: float) -> list[float]:
        worker = Worker(dataclasses.replace(order, system=name, params={}, gpu=gpu))
        reports = [worker.step()]
        while not reports[-1].final:
            reports.append(worker.step())
            assert reports[-1].error is None
        return [report.record.figures["all"]["nDCG@10"] for report in reports if report.record]

    assert figures(1) == pytest.approx(figures(0), abs=0.02)
