"""Checkpoints: a trial that goes on equals an undisturbed one; whatever is damaged is refused by name."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from nvf.errors import CheckpointError
from nvf.plain import plain
from nvf.systems import SYSTEMS, create
from nvf.tasks.base import Task
from nvf.training import checkpoint
from nvf.training.loop import Training
from nvf.training.record import Record

SETTINGS: dict[str, dict[str, object]] = {
    "linear": {"dropout": 0.2, "lr": 3e-3},
    "fused": {"dense": "linear", "linear.lr": 3e-3, "linear.dropout": 0.2},
    "soft_attention": {"transform": "mlp", "dropout": 0.2, "learn_temperature": True},
    "two_stage": {"stage_one.epochs": 1, "stage_one.rank": 8},
    "lvm": {"backbone.d_model": 16, "backbone.layers": 2, "backbone.d_state": 4, "batch_size": 128},
    "lvm_rerank": {"lvm.backbone.kind": "gru", "lvm.backbone.d_model": 16, "lvm.backbone.layers": 2, "depth": 9},
}
TRAINED = [name for name, kind in SYSTEMS.items() if kind.learns()]


@pytest.fixture
def task(name: str, small: Task, worded: Task, windows: Task) -> Task:
    """A task that the system works on."""
    return next(task for task in (small, worded, windows) if SYSTEMS[name].applies_to(task) is None)


def fresh(name: str, task: Task, seed: int = 0) -> Training:
    system = create(name, SETTINGS.get(name, {}), task.corpus)
    return Training(system, task, seed=seed, epochs=4, measures=["nDCG@10"])


def without_clock(record: Record) -> dict[str, object]:
    return {**plain(record), "clock": None}


@pytest.fixture
def saved(small: Task, tmp_path: Path) -> tuple[Path, str]:
    training = fresh("linear", small)
    training.start()
    folder = tmp_path / "epoch-0001"
    return folder, checkpoint.save(folder, training, training.epoch(1))


@pytest.mark.parametrize("name", TRAINED)
def test_to_go_on_is_to_be_undisturbed(name: str, task: Task, tmp_path: Path) -> None:
    undisturbed = fresh(name, task)
    undisturbed.start()
    expected = [without_clock(undisturbed.epoch(number)) for number in range(1, 5)]

    first = fresh(name, task)
    first.start()
    records = [first.epoch(1), first.epoch(2)]
    checkpoint.save(tmp_path / "c", first, records[-1])
    second = fresh(name, task)
    torch.rand(11)
    assert without_clock(checkpoint.resume(tmp_path / "c", second)) == without_clock(records[-1])
    found = [without_clock(record) for record in records] + [without_clock(second.epoch(n)) for n in (3, 4)]
    assert found == expected
    state, other = second.system.state(), undisturbed.system.state()
    assert state.keys() == other.keys() and all(torch.equal(state[key], other[key]) for key in state)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_is_restored_without_training_data(name: str, task: Task, tmp_path: Path) -> None:
    training = fresh(name, task)
    record = training.start()
    for number in range(1, training.epochs + 1):
        record = training.epoch(number)
    digest = checkpoint.save(tmp_path / "c", training, record)
    system = checkpoint.restore_system(tmp_path / "c", task.corpus, digest=digest)
    queries = task.split("test").queries
    found, expected = system.rank(queries, 7), training.system.rank(queries, 7)
    assert system.params == training.system.params
    assert torch.equal(found.rows, expected.rows) and torch.equal(found.scores, expected.scores)


def test_what_a_checkpoint_says(saved: tuple[Path, str], small: Task) -> None:
    folder, digest = saved
    held = checkpoint.load(folder, digest)
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint.json",
        "model.safetensors",
        "optimizer.safetensors",
    ]
    assert (held.meta["system"], held.meta["epoch"], held.meta["seed"]) == ("linear", 1, 0)
    assert held.meta["params"]["lr"] == 3e-3
    assert held.meta["task"]["fingerprint"] == small.fingerprint
    assert held.record.epoch == 1 and held.digest == digest


def test_publishing_is_atomic(saved: tuple[Path, str], small: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever write to the disk fails, what was there stands; only after the last one it is what is new, whole."""
    folder, digest = saved
    training = fresh("linear", small, seed=1)
    record, sync = training.start(), os.fsync

    def stands(failing: int) -> bool:
        """Whether the checkpoint of before is there after a new one whose n-th write to the disk failed."""
        calls = itertools.count()

        def fsync(handle: int) -> None:
            if next(calls) == failing:
                raise OSError(28, "No space left on device")
            sync(handle)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            with pytest.raises(OSError, match="No space left"):
                checkpoint.save(folder, training, record)
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]
        return checkpoint.load(folder).digest == digest

    assert [stands(failing) for failing in range(5)] == [True] * 4 + [False], "three files, their folder, its parent"
    assert checkpoint.save(folder, training, record) == checkpoint.load(folder).digest != digest


def test_between_the_old_checkpoint_and_the_new_there_is_none_and_never_half_of_one(
    saved: tuple[Path, str], small: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, digest = saved
    training = fresh("linear", small)
    record = training.start()

    def broken(*_: object) -> None:
        assert not folder.exists()
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", broken)
        with pytest.raises(OSError, match="Input/output"):
            checkpoint.save(folder, training, record)
    assert not [*folder.parent.iterdir()]
    with pytest.raises(CheckpointError, match="no checkpoint file"):
        checkpoint.load(folder)
    assert checkpoint.save(folder, training, record) == checkpoint.load(folder).digest != digest


@pytest.mark.parametrize("name", [checkpoint.MODEL, checkpoint.OPTIMIZER])
def test_a_flipped_bit_is_found(saved: tuple[Path, str], name: str) -> None:
    folder, _ = saved
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{name} is damaged: sha256"):
        checkpoint.load(folder)


@pytest.mark.parametrize("name", [checkpoint.MODEL, checkpoint.OPTIMIZER, checkpoint.META])
def test_a_missing_file_is_named(saved: tuple[Path, str], name: str) -> None:
    folder, _ = saved
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        checkpoint.load(folder)


def test_another_file_than_the_journaled_one_is_refused(saved: tuple[Path, str]) -> None:
    folder, digest = saved
    meta = json.loads((folder / checkpoint.META).read_text())
    (folder / checkpoint.META).write_text(json.dumps({**meta, "epoch": 9}))
    checkpoint.load(folder)
    with pytest.raises(CheckpointError, match="not the file that was published"):
        checkpoint.load(folder, digest)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "format 99; this nvf"),
        ({"files": {"../../model.safetensors": "0", "optimizer.safetensors": "0"}}, "a checkpoint has"),
        ({"files": {}}, "a checkpoint has"),
        ({"system": "pickle"}, "unknown system 'pickle'"),
        ({"params": {"lr": -1}}, "out of bounds"),
    ],
)
def test_a_doctored_description_is_refused(
    saved: tuple[Path, str], small: Task, change: dict[str, object], message: str
) -> None:
    folder, _ = saved
    meta = json.loads((folder / checkpoint.META).read_text())
    (folder / checkpoint.META).write_text(json.dumps({**meta, **change}))
    with pytest.raises(CheckpointError, match=message):
        checkpoint.restore_system(folder, small.corpus)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"format": 1}', b"\xff\xfe"])
def test_what_is_not_a_description_is_refused(saved: tuple[Path, str], content: bytes) -> None:
    folder, _ = saved
    (folder / checkpoint.META).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"checkpoint\.json"):
        checkpoint.load(folder)


def test_a_pickle_in_place_of_tensors_is_never_loaded(saved: tuple[Path, str], tmp_path: Path) -> None:
    import hashlib
    import pickle

    folder, _ = saved
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    (folder / checkpoint.MODEL).write_bytes(trap)
    meta = json.loads((folder / checkpoint.META).read_text())
    meta["files"][checkpoint.MODEL] = hashlib.sha256(trap).hexdigest()
    (folder / checkpoint.META).write_text(json.dumps(meta))
    with pytest.raises(CheckpointError, match=r"model\.safetensors does not hold tensors"):
        checkpoint.load(folder)
    assert not (tmp_path / "sprung").exists()


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_a_corpus_of_another_width_is_refused(saved: tuple[Path, str], small: Task) -> None:
    folder, _ = saved
    narrow = dataclasses.replace(small.corpus, vectors=np.ascontiguousarray(small.corpus.vectors[:, :5]))
    with pytest.raises(CheckpointError, match=r"model\.safetensors does not fit system linear"):
        checkpoint.restore_system(folder, narrow)


def test_only_the_same_trial_goes_on(saved: tuple[Path, str], small: Task) -> None:
    folder, _ = saved
    with pytest.raises(CheckpointError, match="its seed is 0, the trial's is 1"):
        checkpoint.resume(folder, fresh("linear", small, seed=1))
    with pytest.raises(CheckpointError, match="its fingerprint is"):
        checkpoint.resume(folder, fresh("linear", dataclasses.replace(small, fingerprint="other")))
    with pytest.raises(CheckpointError, match="its system is 'linear'"):
        checkpoint.resume(folder, fresh("raw", small))


def test_only_the_same_setting_goes_on_but_for_the_batch_where_memory_was_short(
    saved: tuple[Path, str], small: Task
) -> None:
    folder, digest = saved

    def other(**params: object) -> Training:
        system = create("linear", {**SETTINGS["linear"], **params}, small.corpus)
        return Training(system, small, seed=0, epochs=4, measures=["nDCG@10"])

    for halved in (False, True):
        with pytest.raises(CheckpointError, match="cannot be gone on with: its params is .*'lr': 0.003.*'lr': 0.004"):
            checkpoint.resume(folder, other(lr=0.004), halved=halved)
    with pytest.raises(CheckpointError, match="its params is .*'batch_size': 128.*'batch_size': 64"):
        checkpoint.resume(folder, other(batch_size=64), digest)
    assert checkpoint.resume(folder, other(batch_size=64), digest, halved=True).epoch == 1
    assert checkpoint.resume(folder, other(), digest).epoch == 1


def test_a_parameter_that_is_newer_than_a_checkpoint_has_its_default_there(
    saved: tuple[Path, str], small: Task
) -> None:
    folder, _ = saved
    meta = json.loads((folder / checkpoint.META).read_text())
    del meta["params"]["temperature"]
    (folder / checkpoint.META).write_text(json.dumps(meta))
    assert checkpoint.resume(folder, fresh("linear", small)).epoch == 1
    changed = create("linear", {**SETTINGS["linear"], "temperature": 0.1}, small.corpus)
    with pytest.raises(CheckpointError, match="'temperature': 0.05.*'temperature': 0.1"):
        checkpoint.resume(folder, Training(changed, small, seed=0, epochs=4, measures=["nDCG@10"]))
