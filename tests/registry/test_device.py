"""Judging, promoting and serving on the device that the sweep asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nvf import devices, tasks
from nvf.errors import CheckpointError
from nvf.journal.events import read
from nvf.journal.replay import replay
from nvf.registry import versions
from nvf.registry.judging import Judge, Trained
from nvf.registry.promote import promote
from nvf.registry.retriever import RESOURCES, Retriever
from tests.elsewhere import DEVICE, elsewhere

RunSweep = Callable[..., Path]


def test_a_model_is_promoted_and_served_on_its_gpu(run_sweep: RunSweep, monkeypatch: pytest.MonkeyPatch) -> None:
    run_sweep(gpu=0.5)
    with elsewhere(monkeypatch):
        promote("small", trial=1, alias="candidate")
        folder = versions.locate("models:/small/1")[1] / "artifacts"
        there = Retriever.open(folder)
        queries = there.task.split("dev").queries
        assert there.system.device == DEVICE
        hits = there.hits(queries, 5)
    here = Retriever.open(folder)
    assert here.system.device.type == "cpu" and here.hits(queries, 5) == hits
    (folder / RESOURCES).write_text("{")
    with pytest.raises(CheckpointError, match="resources.json is damaged"):
        Retriever.open(folder)
    (folder / RESOURCES).unlink()
    assert Retriever.open(folder).hits(queries, 5) == hits


def test_finalists_are_judged_on_the_current_device(run_sweep: RunSweep, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_sweep()
    state = replay(read(folder))
    task = tasks.open_snapshot(tasks.build_snapshot(state.spec.task))
    published = state.trials[1].checkpoints[3]
    trained = Trained(folder / published.folder, published.digest, None)

    def judged() -> str:
        judge = Judge(task, ["nDCG@10"], 0.2)
        found = {"trial": judge.finalist([trained], []).figures}
        found |= {name: each.figures for name, each in judge.untrained([0]).items()}
        return json.dumps(found, sort_keys=True)

    with elsewhere(monkeypatch), devices.using(state.spec.resources.gpu + 1):
        there = judged()
    assert json.loads(there) == json.loads(judged())
