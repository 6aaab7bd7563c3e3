"""A champion in an mlruns/ whose path means something else in an address, and that is then moved."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.tracking._tracking_service import utils

from nvf.cli import doctor
from nvf.errors import TrackingError
from nvf.registry import versions
from nvf.registry.export import to_sentence_transformers
from nvf.registry.promote import promote
from nvf.registry.shown import show
from nvf.tracking import server
from tests.registry.conftest import search

MODEL = "models:/small@champion"
QUESTION = "tell me about the cost of bread"


@pytest.fixture
def odd(mlruns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """mlruns/ below folders with all that has a meaning in an address."""
    home = tmp_path / "exp #1?x=y;z" / "Jürgen's" / "mlruns"
    home.parent.mkdir(parents=True)
    mlruns.rename(home)
    monkeypatch.setenv("NVF_MLRUNS", str(home))
    return home


def failed() -> list[str]:
    """What doctor finds wrong with MLflow."""
    return [check.text for check in doctor._tracking() if not check.ok]


def loaded() -> list[str]:
    """The answers of the model as MLflow itself loads it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", server.tracking_uri())
        return list(mlflow.pyfunc.load_model(MODEL).predict([QUESTION])["ids"][0])


def test_a_champion_is_found_where_it_lies_and_where_it_was_moved(
    odd: Path, run_sweep: Callable[..., Path], lexicon: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sweep(options=lexicon, rates=(0.001,), epochs=1)
    there = {path.name for path in tmp_path.iterdir()}
    promote("small", force="not confirmed")
    answers = [hit.id for hit in search(QUESTION)]
    assert answers[0] == "c12" and loaded() == answers and failed() == []

    moved = tmp_path / "100% 'moved' ü" / "mlruns"
    moved.parent.mkdir()
    odd.rename(moved)
    monkeypatch.setenv("NVF_MLRUNS", str(moved))
    utils._artifact_repos_cache.clear()  # a process of its own would have none
    assert [hit.id for hit in search(QUESTION)] == answers
    assert loaded() == answers and failed() == [] and show(MODEL).card
    to_sentence_transformers(MODEL, tmp_path / "exported")
    assert promote("small", force="not confirmed").previous == 1
    assert [hit.id for hit in search(QUESTION)] == answers
    assert not odd.exists()
    assert {path.name for path in tmp_path.iterdir()} == there | {"exported", moved.parent.name}

    shutil.rmtree(moved / "artifacts")
    with pytest.raises(TrackingError, match=r"the files of models:/small/2 .* nvf promote small"):
        search(QUESTION)
    assert len(failed()) == 3, "the folder of all, and two versions"
    version = versions.resolve(server.client(), MODEL)
    assert str(moved / "artifacts") in versions.lost(version, moved / "artifacts")
    promote("small", force="not confirmed")
    assert [hit.id for hit in search(QUESTION)] == answers, "promoted again, as the message says"
