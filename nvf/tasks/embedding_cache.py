"""Vectors of texts, computed once per (encoder, maximum length, text), whoever asks, whatever dies.

One folder per encoder and maximum length holds two files that only grow: `vectors.f32`, rows of D float32, and
`keys.bin`, the 16-byte hash of each row's text. A row counts once its key is written, and a key is written after its
vector has reached the disk; so what a killed writer leaves behind is at worst a tail without keys, which the next one
cuts off. Readers take no lock, because rows that count never change.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock

from nvf import atomic, paths, progress
from nvf.encoders import frozen
from nvf.tasks import spill
from nvf.types import FloatArray

KEY_BYTES = 16
CHUNK = 256
"""Texts between two writes: what a kill can cost, about 10 s of encoding on two cores."""


def embed(
    texts: Sequence[str],
    encoder_name: str,
    max_length: int,
    what: str = "texts",
) -> FloatArray:
    """Return the (len(texts), D) float32 unit vectors of `texts`, in their order; new texts are encoded and kept.

    Several processes may ask at once: one encodes, the others wait for it. An encode that was interrupted goes on where
    it stopped. The array is a memory map where the texts lie in the cache one after the other, as after a first encode.

    `what` is what the progress calls the texts: documents, queries. Raises `EncoderError` where the encoder cannot be
    loaded and a text is not in the cache.
    """
    store = _Store(paths.cache() / "vectors" / f"{frozen.fingerprint(encoder_name)}-{max_length}")
    keys = [_key(text) for text in texts]
    if not store.knows(keys):
        _encode_missing(store, dict(zip(keys, texts, strict=True)), encoder_name, max_length, what)
    return store.read(keys)


def _encode_missing(
    store: _Store,
    wanted: dict[bytes, str],
    encoder_name: str,
    max_length: int,
    what: str,
) -> None:
    store.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(store.folder / "lock"):
        store.recover()
        missing = [key for key in wanted if key not in store.rows]
        if not missing:
            return
        encoder = frozen.load(encoder_name, max_length)
        with progress.reported(f"encoding {what} with {encoder_name}", len(missing)) as advance:
            for start in range(0, len(missing), CHUNK):
                chunk = missing[start : start + CHUNK]
                store.append(chunk, encoder.encode([wanted[key] for key in chunk]))
                advance(len(chunk))


class _Store:
    """The two files of one encoder and maximum length."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[bytes, int] = {}
        self._reload()

    @property
    def _keys(self) -> Path:
        return self.folder / "keys.bin"

    @property
    def _vectors(self) -> Path:
        return self.folder / "vectors.f32"

    @property
    def _dim(self) -> Path:
        return self.folder / "dim"

    def knows(self, keys: Sequence[bytes]) -> bool:
        return all(key in self.rows for key in keys) and self._dim.exists()

    def recover(self) -> None:
        """Cut off what has no key, or no vector; only under the lock."""
        self._reload()
        if self._dim.exists():
            for path, size in ((self._keys, KEY_BYTES), (self._vectors, 4 * int(self._dim.read_text()))):
                if path.exists():
                    os.truncate(path, len(self.rows) * size)

    def append(self, keys: Sequence[bytes], vectors: FloatArray) -> None:
        if not self._dim.exists():
            atomic.write(self._dim, str(vectors.shape[1]))
        for path, content in ((self._vectors, vectors.tobytes()), (self._keys, b"".join(keys))):
            with path.open("ab") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        first = len(self.rows)
        self.rows.update((key, first + place) for place, key in enumerate(keys))

    def read(self, keys: Sequence[bytes]) -> FloatArray:
        dim = int(self._dim.read_text())
        if not keys:
            return np.zeros((0, dim), dtype=np.float32)
        rows = np.array([self.rows[key] for key in keys])
        vectors = np.memmap(self._vectors, dtype=np.float32, mode="c", shape=(len(self.rows), dim))
        return spill.take(vectors, rows)

    def _reload(self) -> None:
        content = self._keys.read_bytes() if self._keys.exists() else b""
        count = len(content) // KEY_BYTES
        if self._dim.exists():
            size = self._vectors.stat().st_size if self._vectors.exists() else 0
            count = min(count, size // (4 * int(self._dim.read_text())))
        self.rows = {content[KEY_BYTES * row : KEY_BYTES * (row + 1)]: row for row in range(count)}


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=KEY_BYTES).digest()
