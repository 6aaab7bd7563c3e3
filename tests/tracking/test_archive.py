from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path

import pytest

from nvf import paths, tasks
from nvf.errors import CheckpointError, JournalError, SpecError, StorageError, SweepError
from nvf.journal.events import FILE, Journal, read
from nvf.journal.folders import SweepFolder
from nvf.journal.replay import replay
from nvf.sweep.spec import load
from nvf.systems import create
from nvf.tracking import archive
from nvf.training import checkpoint
from nvf.training.loop import Training
from tests.journal.written import write
from tests.s3 import S3, SECRET, s3
from tests.tracking import journals

__all__ = ["s3"]

SOURCE = {"source": "synthetic", "documents": 40, "dim": 8, "train": 60, "dev": 20, "test": 20}
CLOCK = {"host": "here", "pid": 1}


@pytest.fixture
def bucket(s3: S3, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A bucket of the test's own."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return s3.bucket(f"nvf-{abs(hash(request.node.name)) % 10**10}")


@pytest.fixture
def folder(bucket: str) -> Path:
    """A sweep that ended, with a checkpoint of each of its two epochs; the first one is gone."""
    folder = paths.sweep(journals.NAME)
    task = tasks.build(SOURCE).withhold(0.2, 0)
    training = Training(create("linear", {}, task.corpus), task, seed=0, epochs=2, measures=["nDCG@10"])
    with Journal.create(folder) as journal:
        journals.start(journal)
        write(journal, "sweep_resumed", spec={"name": "x", "storage": f"s3://{bucket}/team/sweeps/"}, clock=CLOCK)
        journals.start_trial(journal, 0)
        for record in (training.start(), training.epoch(1)):
            where = f"checkpoints/trial-0000/epoch-{record.epoch:04d}"
            published = {"folder": where, "digest": checkpoint.save(folder / where, training, record)}
            write(journal, "record", trial=0, record=record, checkpoint=published, decision="continue", attrs={})
        journals.end_trial(journal, 0, "complete")
        write(journal, "sweep_ended", sync=True, reason="trials", clock={})
    shutil.rmtree(folder / "checkpoints" / "trial-0000" / "epoch-0000")
    return folder


def move(folder: Path) -> Path:
    """As if the machine were another one."""
    return folder.rename(folder.parent.parent / "lost")


def where(bucket: str) -> str:
    return f"s3://{bucket}/team/sweeps/{journals.NAME}"


def test_a_sweep_comes_back_as_it_was(folder: Path, bucket: str, s3: S3) -> None:
    copied = archive.archive(SweepFolder(folder))
    assert copied is not None and (copied.checkpoints, copied.added) == (1, 2)
    assert copied.where.startswith(where(bucket) + "/")
    digest = replay(read(folder)).trials[0].checkpoints[1].digest
    names = {key.rpartition("/")[2] for key in s3.keys(bucket)}
    assert names == {"journal-000008.jsonl", *(checkpoint.MODEL, checkpoint.OPTIMIZER, checkpoint.META)}
    lost = move(folder)
    assert archive.restore(where(bucket)) == folder
    assert (folder / FILE).read_bytes() == (lost / FILE).read_bytes()
    assert checkpoint.load(folder / "checkpoints" / "trial-0000" / "epoch-0001", digest).digest == digest
    assert sorted(paths.sweeps().iterdir()) == [folder]


def test_twice_adds_nothing_and_what_came_since_comes_beside_it(folder: Path, bucket: str, s3: S3) -> None:
    archive.archive(SweepFolder(folder))
    before = s3.keys(bucket)
    again = archive.archive(SweepFolder(folder))
    assert again is not None and again.added == 0
    assert s3.keys(bucket) == before
    journal, _ = Journal.open(folder)
    with journal:
        write(journal, "promoted", sync=True, trial=0, model="m", version=1, alias="champion", forced=None)
    more = archive.archive(SweepFolder(folder))
    assert more is not None and more.added == 1
    assert set(before) < set(s3.keys(bucket))
    move(folder)
    assert len(read(archive.restore(where(bucket)))) == 9


def test_a_checkpoint_that_was_damaged_here_is_not_copied(folder: Path, bucket: str, s3: S3) -> None:
    file = folder / "checkpoints" / "trial-0000" / "epoch-0001" / checkpoint.MODEL
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    copied = archive.archive(SweepFolder(folder))
    assert copied is not None and copied.checkpoints == 0
    assert [key.rpartition("/")[2] for key in s3.keys(bucket)] == ["journal-000008.jsonl"]


@pytest.mark.parametrize(
    ("name", "error"),
    [(checkpoint.MODEL, CheckpointError), (checkpoint.META, CheckpointError), (".jsonl", JournalError)],
)
def test_a_copy_that_was_damaged_is_named_and_leaves_nothing(
    folder: Path, bucket: str, s3: S3, name: str, error: type[Exception]
) -> None:
    archive.archive(SweepFolder(folder))
    (key,) = (key for key in s3.keys(bucket) if key.endswith(name))
    content = s3.content(bucket, key)
    s3.put(bucket, key, content[:50] + b"?" + content[51:])
    move(folder)
    with pytest.raises(error):
        archive.restore(where(bucket))
    assert list(paths.sweeps().iterdir()) == []


def test_what_is_there_is_never_overwritten(folder: Path, bucket: str) -> None:
    archive.archive(SweepFolder(folder))
    with pytest.raises(SweepError, match="is there: go on with that sweep"):
        archive.restore(where(bucket))


def test_what_is_not_there_is_named(bucket: str, mlruns: Path) -> None:
    with pytest.raises(StorageError, match=f"s3://{bucket}/none holds no copy of a sweep; give STORAGE/NAME"):
        archive.restore(f"s3://{bucket}/none")
    with pytest.raises(StorageError, match="there is no bucket 'nvf-none'; make it"):
        archive.check("s3://nvf-none/x")
    archive.check(f"s3://{bucket}/x")


@pytest.mark.slow
@pytest.mark.parametrize("hangs", [False, True])
def test_a_storage_that_is_down_or_hangs_is_named_within_seconds(
    folder: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    with socket.socket() as server:  # which accepts, by its backlog, and never answers
        server.bind(("127.0.0.1", 0))
        if hangs:
            server.listen(20)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        for call in (lambda: archive.check(f"s3://{bucket}"), lambda: archive.archive(SweepFolder(folder))):
            before = time.monotonic()
            with pytest.raises(StorageError, match=f"s3://{bucket}.* does not answer, or refuses .*AWS_ENDPOINT_URL"):
                call()
            assert time.monotonic() - before < 25


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        (f"s3://AKIA:{SECRET}@bucket/x", "the address holds a secret; give it in AWS_ACCESS_KEY_ID"),
        ("s3://bucket/x?secret_key=abc", "the address holds a secret"),
        ("/mnt/backup", "write s3://BUCKET"),
        ("s3://bucket/../x y", "write s3://BUCKET"),
    ],
)
def test_a_storage_that_cannot_be_is_refused_by_the_file(tmp_path: Path, storage: str, said: str) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(f"name: x\ntask: {SOURCE}\nsystem: linear\nstorage: {storage}\n".replace("'", ""))
    with pytest.raises(SpecError, match=rf"sweep.yaml:4: storage: {said}"):
        load(path)
