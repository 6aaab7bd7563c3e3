from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from nvf import paths
from nvf.encoders import frozen
from nvf.progress import Advance, reporting
from nvf.tasks import embedding_cache
from nvf.tasks.embedding_cache import embed

LENGTH = 16


def sentences(count: int) -> list[str]:
    return [f"sentence number {row} of a short text" for row in range(count)]


class Counter:
    """A progress that counts what is encoded."""

    def __init__(self) -> None:
        self.totals: list[int] = []
        self.done = 0

    @contextmanager
    def __call__(self, what: str, total: int) -> Iterator[Advance]:
        self.totals.append(total)

        def advance(done: int) -> None:
            self.done += done

        yield advance


def files(length: int = LENGTH) -> tuple[Path, Path]:
    folder = paths.cache() / "vectors" / f"{frozen.fingerprint('minilm')}-{length}"
    return folder / "keys.bin", folder / "vectors.f32"


def test_vectors_are_the_encoders_own_in_the_texts_order(mlruns: Path) -> None:
    texts = ["one", "another one", "one", "a third"]
    vectors = embed(texts, "minilm", LENGTH)
    np.testing.assert_allclose(vectors, frozen.load("minilm", LENGTH).encode(texts), atol=1e-6)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors[0], vectors[2])


def test_each_text_is_encoded_once(mlruns: Path) -> None:
    counter = Counter()
    with reporting(counter):
        embed(["a", "b", "a"], "minilm", LENGTH)
    assert (counter.totals, counter.done) == ([2], 2)
    with reporting(counter):
        embed(["b", "c", "a"], "minilm", LENGTH)
    assert (counter.totals, counter.done) == ([2, 1], 3)
    with reporting(counter):
        embed(["c", "a"], "minilm", LENGTH)
    assert counter.totals == [2, 1]
    with reporting(counter):
        embed(["a"], "minilm", LENGTH + 1)
    assert counter.totals == [2, 1, 1]


def test_known_texts_need_no_model(mlruns: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = np.array(embed(["a", "b"], "minilm", LENGTH))
    monkeypatch.setattr(frozen, "load", None)
    np.testing.assert_array_equal(embed(["b", "a"], "minilm", LENGTH), first[::-1])
    assert isinstance(embed(["a", "b"], "minilm", LENGTH), np.memmap)
    assert embed([], "minilm", LENGTH).shape == (0, 384)


@pytest.mark.parametrize(("keys", "vectors"), [(-5, 0), (-5, -700), (0, -1), (-16, 0), (7, 9999)])
def test_torn_tails_are_cut_off(mlruns: Path, keys: int, vectors: int) -> None:
    texts = sentences(6)
    expected = np.array(embed(texts, "minilm", LENGTH))
    for path, change in zip(files(), (keys, vectors), strict=True):
        size = path.stat().st_size
        if change < 0:
            os.truncate(path, size + change)
        else:
            path.write_bytes(path.read_bytes() + b"\x01" * change)
    found = embed([*texts, "a new one"], "minilm", LENGTH)
    np.testing.assert_allclose(found[:6], expected, atol=1e-6)
    np.testing.assert_allclose(found[6], frozen.load("minilm", LENGTH).encode(["a new one"])[0], atol=1e-6)
    assert [path.stat().st_size for path in files()] == [7 * 16, 7 * 384 * 4]


ENCODE = """
import sys
import numpy as np
from nvf.tasks import embedding_cache
embedding_cache.CHUNK = 16
texts = [f"sentence number {row} of a short text" for row in range(int(sys.argv[1]))]
vectors = embedding_cache.embed(texts, "minilm", 16)
print(float(np.abs(np.linalg.norm(vectors, axis=1) - 1).max()), len(vectors))
"""


def start(count: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", ENCODE, str(count)], stdout=subprocess.PIPE, text=True)


def test_two_processes_encode_each_text_once(mlruns: Path) -> None:
    racers = [start(96), start(96)]
    for racer in racers:
        output, _ = racer.communicate(timeout=120)
        assert racer.returncode == 0
        deviation, count = output.split()
        assert float(deviation) < 1e-5 and count == "96"
    keys, vectors = files()
    assert keys.stat().st_size == 96 * 16
    assert vectors.stat().st_size == 96 * 384 * 4


def test_a_killed_encode_goes_on_where_it_stopped(mlruns: Path) -> None:
    texts = sentences(4000)
    victim, deadline = start(len(texts)), time.monotonic() + 120
    while not (files()[0].exists() and files()[0].stat().st_size >= 3 * 16 * 16):
        assert victim.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    assert victim.stdout is not None
    victim.stdout.close()
    kept = files()[0].stat().st_size // 16
    assert 48 <= kept < len(texts)
    wanted, counter = texts[: kept + 20], Counter()
    with reporting(counter):
        vectors = embed(wanted, "minilm", LENGTH)
    assert 20 <= counter.done <= 20 + 16
    np.testing.assert_allclose(vectors, frozen.load("minilm", LENGTH).encode(wanted), atol=1e-5)


def test_an_interrupted_encode_keeps_its_chunks(mlruns: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_cache, "CHUNK", 4)

    @contextmanager
    def interrupted(what: str, total: int) -> Iterator[Advance]:
        def advance(done: int) -> None:
            raise KeyboardInterrupt

        yield advance

    with pytest.raises(KeyboardInterrupt):
        with reporting(interrupted):
            embed(sentences(10), "minilm", LENGTH)
    counter = Counter()
    with reporting(counter):
        embed(sentences(10), "minilm", LENGTH)
    assert counter.totals == [6]
