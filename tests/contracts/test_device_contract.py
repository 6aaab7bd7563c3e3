"""Every system works on the device that it is given, and on no other; the device changes no figure."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import torch

from nvf.errors import ParamsError
from nvf.params import bounds
from nvf.systems import SYSTEMS, create
from nvf.systems.base import System
from nvf.tasks.base import Qrels, Task
from nvf.testing import inspected
from tests.contracts.test_system_contract import SETTINGS, task, vectors, windows
from tests.elsewhere import elsewhere

__all__ = ["task", "vectors", "windows"]
K = 9


def choices(name: str) -> dict[str, tuple[Any, ...]]:
    """Return what each parameter may be of which there is a handful; other systems' are theirs to try."""
    own = {each: bound for each, bound in bounds(SYSTEMS[name].Params).items() if each.split(".")[0] not in SYSTEMS}
    found = {each: (False, True) if bound.kind == "bool" else bound.choices or () for each, bound in own.items()}
    return {each: values for each, values in found.items() if values}


def small(task: Task) -> Task:
    """Return a part of a task, where a document beside each right answer is judged to be none."""
    splits = {name: task.split(name).select(np.arange(count)) for name, count in {"train": 80, "dev": 12}.items()}
    train, qrels = splits["train"], splits["train"].qrels
    right = np.stack([qrels.query_rows, qrels.rows, qrels.grades], axis=1)
    wrong = np.stack([qrels.query_rows, (qrels.rows + 1) % len(task.corpus), 0 * qrels.rows], axis=1)
    judged = Qrels.from_triples(len(train), np.concatenate([right, wrong]))
    splits["train"] = dataclasses.replace(train, qrels=judged)
    return dataclasses.replace(task, splits=splits)


def everything(system: System, task: Task) -> dict[str, Any]:
    """Return what a trial asks of a system, and publishes, after some steps of training."""
    torch.manual_seed(1)
    system.prepare(task, 0)
    losses = train(system)
    dev = task.split("dev")
    ranking = system.rank(dev.queries, K)
    assert ranking.rows.device == ranking.scores.device == system.device
    found = inspected(system, dev)
    return {
        "losses": losses,
        "held out": system.held_out_losses(dev),
        "rows": ranking.rows.cpu(),
        "scores": ranking.scores.cpu(),
        "statistics": found.statistics,
        "diagnoses": [each.figure for each in found.diagnoses],
        "state": system.state(),
    }


def train(system: System) -> list[dict[str, float]]:
    """Take two steps in each of three epochs, which is as many as stages need to follow each other."""
    found = []
    groups = system.parameter_groups()
    optimiser = torch.optim.Adam(groups) if groups else None
    for epoch in range(1, 1 + system.epochs(3)):
        for batch in itertools.islice(system.batches(epoch), 2):
            parts = system.losses(batch)
            found.append({name: value.item() for name, value in parts.items()})
            assert optimiser is not None
            optimiser.zero_grad()
            torch.stack([*parts.values()]).sum().backward()
            optimiser.step()
            system.after_step()
    return found


def compare(name: str, settings: dict[str, Any], task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    task = small(task)
    here = everything(create(name, settings, task.corpus), task)
    with elsewhere(monkeypatch) as device:
        there = everything(create(name, settings, task.corpus, device), task)
        restored = create(name, settings, task.corpus, device)
        restored.load_state(there["state"])
        assert torch.equal(restored.rank(task.split("dev").queries, K).rows.cpu(), there["rows"])
    assert all(value.device.type == "cpu" for value in there["state"].values())
    torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", SYSTEMS, scope="class")
class TestElsewhere:
    def test_a_trial(self, name: str, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
        compare(name, SETTINGS.get(name, {}), task, monkeypatch)

    @pytest.mark.slow
    def test_every_choice(self, name: str, vectors: Task, windows: Task, monkeypatch: pytest.MonkeyPatch) -> None:
        left = {(each, value) for each, values in choices(name).items() for value in values}
        drawn = np.random.default_rng(0)
        for _ in range(10 * len(left)):
            if left:
                rest = {each: values[drawn.integers(len(values))] for each, values in choices(name).items()}
                settings = rest | dict([min(left, key=str)])
                if works(name, settings, (vectors, windows), monkeypatch):
                    left -= settings.items()
        assert not left


def works(name: str, settings: dict[str, Any], possible: tuple[Task, ...], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Compare where it can be; return whether it could: choices may exclude each other, or need windows."""
    for base, each in itertools.product((SETTINGS.get(name, {}), {}), possible):
        if SYSTEMS[name].applies_to(each) is None:
            with contextlib.suppress(ParamsError):
                compare(name, base | settings, each, monkeypatch)
                return True
    return False


def test_what_mixes_devices_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with elsewhere(monkeypatch) as device:
        there, here = torch.ones(2, 3, device=device), torch.ones(2, 3)
        for mixing in (
            lambda: there + here,
            lambda: there @ torch.ones(3, 3),
            lambda: torch.cat([there, here]),
            lambda: here[there[:, 0].long()],
            lambda: there.numpy(),
            lambda: torch.rand(2, device=device, generator=torch.Generator()),
        ):
            with pytest.raises(RuntimeError):
                mixing()
        assert (there + 1)[np.array([1])].tolist() == [[2.0, 2.0, 2.0]]
