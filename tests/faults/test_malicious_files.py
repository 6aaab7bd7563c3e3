"""Checkpoints, models and sweeps made to do harm: nothing in them is executed, nothing outside of them is read."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import resource
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from nvf import systems, tasks
from nvf.encoders import frozen
from nvf.errors import CheckpointError, EncoderError, JournalError, NvfError, TaskError
from nvf.journal import events
from nvf.journal.events import Journal
from nvf.journal.folders import SweepFolder
from nvf.registry.candidates import Candidate, choose
from nvf.registry.model import stage
from nvf.registry.retriever import CORPUS, Retriever
from nvf.tasks.base import Task
from nvf.tasks.snapshot import MANIFEST, _stamp, open_snapshot
from nvf.training import checkpoint
from nvf.training.checkpoint import META, MODEL, OPTIMIZER
from nvf.training.loop import Training
from tests.journal.written import write

MEGABYTES = 300
"""By which one hostile file may raise the peak of this process."""


class Payload:
    """Unpickled, it writes the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.canary,)


@pytest.fixture(scope="module")
def task() -> Task:
    options = {"source": "synthetic", "documents": 40, "dim": 8, "train": 60, "dev": 20, "test": 20}
    return tasks.build(options).withhold(0.2, 0)


@pytest.fixture(scope="module")
def original(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound checkpoint."""
    folder = tmp_path_factory.mktemp("original") / "epoch-0001"
    training = fresh(task)
    training.start()
    checkpoint.save(folder, training, training.epoch(1))
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoiled."""
    return Path(shutil.copytree(original, tmp_path / "epoch-0001"))


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file that must not appear; nor may much memory be taken meanwhile."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "something was executed"
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10 < MEGABYTES


def fresh(task: Task) -> Training:
    return Training(systems.create("linear", {}, task.corpus), task, seed=0, epochs=2, measures=["nDCG@10"])


def forge(folder: Path, name: str, content: bytes) -> None:
    """Put a file into a checkpoint, with the digest that it ought to have."""
    (folder / name).write_bytes(content)
    if name != META:
        forge_meta(folder, lambda meta: meta["files"].update({name: hashlib.sha256(content).hexdigest()}))


def forge_meta(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    meta = json.loads((folder / META).read_text())
    change(meta)
    (folder / META).write_text(json.dumps(meta))


def refused(folder: Path, task: Task, name: str) -> None:
    """Assert that a checkpoint is neither restored nor gone on with, and that the file is named."""
    attempts = [lambda: checkpoint.resume(folder, fresh(task))]
    if name != OPTIMIZER:
        attempts.append(lambda: checkpoint.restore_system(folder, task.corpus))
    for attempt in attempts:
        with pytest.raises(CheckpointError) as caught:
            attempt()
        assert str(folder) in str(caught.value) and name in str(caught.value)
        assert len(str(caught.value)) < 2_000


def torch_zip(payload: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(payload, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", [MODEL, OPTIMIZER, META])
@pytest.mark.parametrize("dump", [pickle.dumps, lambda each: pickle.dumps(each, 0), torch_zip], ids=["5", "0", "torch"])
def test_a_pickle_is_not_opened(
    folder: Path, task: Task, canary: Path, name: str, dump: Callable[[object], bytes]
) -> None:
    content = dump(Payload(canary))
    forge(folder, name, content)
    refused(folder, task, name)
    pickle.loads(pickle.dumps(Payload(canary)))
    assert canary.exists(), "the payload would have worked"
    canary.unlink()


def header(entries: dict[str, Any] | str, data: bytes = b"\0" * 32) -> bytes:
    text = (entries if isinstance(entries, str) else json.dumps(entries)).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(shape: list[int], offsets: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


TENSORS = {
    "a header of 2^60 bytes": struct.pack("<Q", 1 << 60) + b"{}",
    "a header of 2^64 - 1 bytes": struct.pack("<Q", (1 << 64) - 1) + b"{}",
    "a header longer than the file": struct.pack("<Q", 10_000) + b"{}",
    "no header": b"",
    "a header that is no JSON": header("{" * 100),
    "deep nesting": header("[" * 100_000),
    "numbers of 5,000 digits": header(json.dumps({"a": entry([1], [0, 4])}).replace("[1]", f"[{'9' * 5_000}]")),
    "offsets that overlap": header({"a": entry([4], [0, 16]), "b": entry([4], [8, 24])}),
    "offsets backwards": header({"a": entry([4], [16, 0])}),
    "offsets behind the end": header({"a": entry([1 << 40], [0, 1 << 42])}),
    "a hole": header({"a": entry([4], [16, 32])}),
    "a shape that lies": header({"a": entry([1000, 1000], [0, 32])}),
    "a shape that overflows": header({"a": entry([1 << 62, 1 << 62], [0, 32])}),
    "a type that there is not": header({"a": entry([8], [0, 32], "F99")}),
    "a name that leads out": header({"../../canary": entry([8], [0, 32])}),
    "tensors of another shape": safetensors.torch.save({"0.exp_avg": torch.zeros(3), "query.weight": torch.zeros(3)}),
    "no tensors": safetensors.torch.save({}),
}


@pytest.mark.parametrize("what", TENSORS)
def test_tensors_that_lie(folder: Path, task: Task, canary: Path, what: str) -> None:
    forge(folder, MODEL, TENSORS[what])
    refused(folder, task, MODEL)


@pytest.mark.parametrize("what", [what for what in TENSORS if what not in ("no tensors", "tensors of another shape")])
def test_moments_that_lie(folder: Path, task: Task, canary: Path, what: str) -> None:
    forge(folder, OPTIMIZER, TENSORS[what])
    refused(folder, task, OPTIMIZER)


METAS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a file that lies elsewhere": lambda meta: meta["files"].update({"../canary": "0"}),
    "an absolute file": lambda meta: meta.update(files={"/etc/passwd": "0", OPTIMIZER: "0"}),
    "files that are a list": lambda meta: meta.update(files=[MODEL, OPTIMIZER]),
    "digests that are numbers": lambda meta: meta.update(files={MODEL: 1, OPTIMIZER: 2}),
    "a system that is a path": lambda meta: meta.update(system="../../canary"),
    "a system that is a list": lambda meta: meta.update(system=["linear"]),
    "params that are a list": lambda meta: meta.update(params=["lr"]),
    "params out of bounds": lambda meta: meta["params"].update(lr=1e300),
    "a task that is a text": lambda meta: meta.update(task="nothing"),
    "a format that is a list": lambda meta: meta.update(format=[1]),
}


@pytest.mark.parametrize("what", METAS)
def test_a_manifest_that_lies(folder: Path, task: Task, canary: Path, what: str) -> None:
    forge_meta(folder, METAS[what])
    refused(folder, task, "")


@pytest.mark.parametrize("record", [{}, {"epoch": "x"}, {"epoch": 1, "figures": 5, "losses": [], "diagnoses": 0}])
def test_a_record_that_is_none(folder: Path, task: Task, record: dict[str, Any]) -> None:
    forge_meta(folder, lambda meta: meta.update(record=record))
    with pytest.raises(CheckpointError, match=f"{META} is damaged: its record"):
        checkpoint.resume(folder, fresh(task))


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 1_000_000,
        b'{"format": ' + b"9" * 5_000 + b"}",
        b'{"format": 1e999, "files": {}}',
        b"\xff\xfe",
        b"null",
        b"",
    ],
    ids=["deep", "5,000 digits", "infinity", "no text", "null", "nothing"],
)
def test_json_that_is_too_much(folder: Path, task: Task, canary: Path, content: bytes) -> None:
    forge(folder, META, content)
    refused(folder, task, META)


@pytest.mark.parametrize("name", [MODEL, OPTIMIZER, META])
def test_links_pipes_and_folders_are_not_followed(folder: Path, original: Path, task: Task, name: str) -> None:
    for make in (lambda path: path.symlink_to(original / name), os.mkfifo, os.mkdir):
        (folder / name).unlink() if not (folder / name).is_dir() else (folder / name).rmdir()
        make(folder / name)
        refused(folder, task, name)


@pytest.fixture
def model(original: Path, task: Task, tmp_path: Path) -> Path:
    """What a promoted model holds besides the code that MLflow runs."""
    stage(original, task, tmp_path / "model")
    Retriever.open(tmp_path / "model")
    return tmp_path / "model"


def restamp(corpus: Path) -> None:
    """Give every file of a snapshot the size and digest that it ought to have."""
    manifest = json.loads((corpus / MANIFEST).read_text())
    manifest["files"] = {name: _stamp(corpus / name) for name in manifest["files"]}
    (corpus / MANIFEST).write_text(json.dumps(manifest))


def test_a_pickle_in_any_file_of_a_model_is_not_opened(model: Path, canary: Path) -> None:
    names = [path.relative_to(model) for path in model.rglob("*") if path.is_file()]
    assert len(names) > 8
    for name in names:
        sound = (model / name).read_bytes(), (model / CORPUS / MANIFEST).read_bytes()
        (model / name).write_bytes(pickle.dumps(Payload(canary)))
        if name.parts[0] == CORPUS and name.name != MANIFEST:
            restamp(model / CORPUS)
        with pytest.raises((CheckpointError, TaskError), match=name.name):
            Retriever.open(model)
        (model / name).write_bytes(sound[0])
        (model / CORPUS / MANIFEST).write_bytes(sound[1])
    Retriever.open(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: manifest["files"].update({"../../secret": {"bytes": 1, "digest": "0"}}), "outside of its"),
        (lambda manifest: manifest.update(splits=["../../secret"]), "outside of its folder"),
        (lambda manifest: manifest.update(truth=["/secret"]), "outside of its folder"),
        (lambda manifest: manifest.update(files=5), "not a manifest"),
        (lambda manifest: manifest.update(leaks=[5]), "not a manifest"),
        (lambda manifest: manifest.pop("splits"), "not a manifest"),
    ],
)
def test_a_snapshot_that_leads_out(model: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    path = model / CORPUS / MANIFEST
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(TaskError, match=message):
        open_snapshot(model / CORPUS)


def test_links_in_a_snapshot_are_not_followed(model: Path, tmp_path: Path) -> None:
    for name in ("corpus/vectors.npy", "dev"):
        place = model / CORPUS / name
        place.rename(tmp_path / "moved")
        place.symlink_to(tmp_path / "moved")
        with pytest.raises(TaskError, match=f"{name} is damaged: neither a plain file nor a folder"):
            Retriever.open(model)
        place.unlink()
        (tmp_path / "moved").rename(place)


def test_texts_that_lie_outside_of_their_file(model: Path, task: Task) -> None:
    path = model / CORPUS / "corpus" / "ids.arrow"
    end = struct.pack("<q", sum(map(len, task.corpus.ids)))
    content = path.read_bytes()
    assert end in content
    path.write_bytes(content.replace(end, struct.pack("<q", 1 << 40)))
    restamp(model / CORPUS)
    with pytest.raises(TaskError, match=r"ids\.arrow is damaged"):
        Retriever.open(model)


def test_an_encoder_that_brings_code_is_not_run(tmp_path: Path, canary: Path) -> None:
    encoder = Path(shutil.copytree(frozen.folder("minilm"), tmp_path / "encoder"))
    (encoder / "evil.py").write_text(f"open({str(canary)!r}, 'w')\nclass Evil: ...\n")
    modules = json.loads((encoder / "modules.json").read_text())
    modules[0]["type"] = "evil.Evil"
    (encoder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderError, match="cannot be loaded"):
        frozen.load(str(encoder))


def test_a_journal_that_leads_out_of_its_folder(mlruns: Path, task: Task, original: Path) -> None:
    options = {"source": "synthetic", "documents": 40, "dim": 8, "train": 60, "dev": 20, "test": 20}
    record = checkpoint.load(original).record
    for at in ("../../../stolen", str(original), "checkpoints/../../x"):
        shutil.rmtree(mlruns / "sweeps", ignore_errors=True)
        with Journal.create(mlruns / "sweeps" / "evil") as journal:
            write(
                journal,
                "sweep_started",
                sweep="evil",
                spec={"task": options},
                objectives=["nDCG@10"],
                task={"fingerprint": task.fingerprint},
                clock={},
            )
            trial = {"system": "linear", "params": {}, "chosen": {}, "distributions": {}, "seed": 0, "epochs": 1}
            write(journal, "trial_started", trial=0, **trial)
            published = {"folder": at, "digest": "0"}
            write(journal, "record", trial=0, record=record, checkpoint=published, decision="complete", attrs={})
            write(journal, "trial_ended", trial=0, outcome="complete", error=None, attrs={})
        sweep = SweepFolder.find("evil")
        with pytest.raises(JournalError, match="outside of its folder"):
            Candidate.of(sweep, sweep.state(), *choose(sweep.state(), 0))


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"n": ' + b"9" * 5_000 + b"}", b"\xff", b"[1]", b'{"n": 0}'])
def test_a_journal_line_that_is_too_much(mlruns: Path, body: bytes) -> None:
    folder = mlruns / "sweeps" / "evil"
    folder.mkdir(parents=True)
    (folder / events.FILE).write_bytes(b"%08x %s\n" % (zlib.crc32(body), body))
    with pytest.raises(NvfError, match="journal"):
        events.read(folder)
