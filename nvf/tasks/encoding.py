"""How texts become vectors: by a frozen encoder, or from a folder where their vectors are stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nvf.encoders import frozen
from nvf.params import param
from nvf.paths import absolute
from nvf.tasks import files, spill
from nvf.tasks.embedding_cache import embed
from nvf.tasks.identity import Known
from nvf.types import FloatArray


def encoder_option() -> Any:
    """Return the option `encoder` of a source."""
    return param("minilm", doc="minilm, a folder with a sentence-transformers model, or a name on the Hugging Face hub")


def length_option(default: int = 256, what: str = "a text is cut") -> Any:
    """Return the option `max_length` of a source."""
    return param(default, low=4, high=32_768, doc=f"tokens after which {what}")


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoder by its name with its maximum length in tokens, or the folder that is read instead."""

    encoder: str
    max_length: int
    stored: str | None = None

    def vectors(self, side: str, ids: Sequence[str], texts: Sequence[str]) -> FloatArray:
        """Return (len(ids), D) float32 vectors of the texts of one `side`, corpus or queries.

        Raises `TaskError` where vectors are missing or damaged, `EncoderError` where the encoder cannot be loaded.
        """
        if self.stored is not None:
            return _stored(absolute(self.stored), side, ids)
        return embed(texts, self.encoder, self.max_length, what={"corpus": "documents"}.get(side, side))

    def check(self, **ids: Sequence[str]) -> None:
        """Raise what `vectors` would for the ids of each side, as far as that goes without encoding."""
        if self.stored is None:
            frozen.identifying_files(self.encoder, self.max_length)
        else:
            for side, names in ids.items():
                self.vectors(side, names, ())

    def files(self) -> Iterable[Path]:
        """Return the files that the vectors depend on."""
        if self.stored is None:
            return frozen.identifying_files(self.encoder, self.max_length)
        folder = absolute(self.stored)
        return [folder / name for side in ("corpus", "queries") for name in (f"{side}.npy", f"{side}_ids.json")]


def _stored(folder: Path, side: str, ids: Sequence[str]) -> FloatArray:
    path = files.existing(folder / f"{side}.npy", f"vectors of the {side}, one row per id in {side}_ids.json")
    ids_path = files.existing(folder / f"{side}_ids.json", f"the ids of {side}.npy, in the order of its rows")
    there = files.read_ids(ids_path)
    vectors = files.read_vectors(path, there, ids_path)
    if there == list(ids):
        return vectors
    known = Known(there, str(ids_path))
    found = known.find_all(ids, f"{ids_path} lacks", f"ids of the {side}")
    return spill.take(vectors, np.array([known.rows[spelt] for spelt in found], dtype=np.int64))
