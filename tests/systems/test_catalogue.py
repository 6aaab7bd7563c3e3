from __future__ import annotations

from pathlib import Path

import pytest

from nvf.errors import UsageError
from nvf.params import bounds, complete, flatten, make
from nvf.systems import SYSTEMS
from nvf.systems.catalogue import _own, catalogue, diagnoses, get


@pytest.fixture(autouse=True)
def forgotten(mlruns: Path) -> None:
    """Each test looks the systems up by itself."""
    mlruns.mkdir()
    _own.cache_clear()


def kept(mlruns: Path) -> Path:
    (path,) = (mlruns / "cache" / "systems").iterdir()
    return path


def test_what_is_kept_is_what_the_classes_say(mlruns: Path) -> None:
    told = catalogue()
    _own.cache_clear()
    assert kept(mlruns).stat().st_size and catalogue() == told
    for name, kind in SYSTEMS.items():
        entry = told[name]
        assert (entry.name, entry.summary, entry.transfers) == (name, kind.summary, kind.transfers)
        assert entry.params == bounds(kind.Params)
        assert complete(entry.params, {}) == flatten(make(kind.Params, {}))


def test_kinds() -> None:
    kinds = {name: entry.kind for name, entry in catalogue().items()}
    assert [kinds[name] for name in ("raw", "oracle", "nudge", "linear", "fused")] == [
        "floor",
        "ceiling",
        "closed form",
        "trained",
        "trained",
    ]


def test_diagnoses() -> None:
    assert diagnoses() == [
        "buries_new_documents",
        "embedding_collapse",
        "harmful_reranker",
        "loss_misleads",
        "memorisation",
        "residual_collapse",
        "split_objective",
    ]
    found = {name: set(entry.diagnoses) for name, entry in catalogue().items()}
    assert found["respred"] == {"embedding_collapse", "residual_collapse"}
    assert found["lvm_rerank"] == {"harmful_reranker", "memorisation", "split_objective"}


@pytest.mark.parametrize("content", ["", "[]x", '[{"name": "raw"}]', '{"a": 1}', '[{"params": []}]'])
def test_a_damaged_file_is_not_believed(mlruns: Path, content: str) -> None:
    told = catalogue()
    kept(mlruns).write_text(content)
    _own.cache_clear()
    assert catalogue() == told


def test_other_code_is_looked_at_again(mlruns: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue()
    before = kept(mlruns)
    monkeypatch.setattr("nvf.systems.catalogue.__version__", "9.9.9")
    _own.cache_clear()
    catalogue()
    assert kept(mlruns) != before, "and the old one is gone"


def test_nothing_is_written_where_there_is_no_mlruns(mlruns: Path) -> None:
    mlruns.rmdir()
    assert "linear" in catalogue()
    assert not mlruns.exists()


def test_an_unknown_system_is_told_its_neighbour() -> None:
    with pytest.raises(UsageError, match="unknown system 'liner'; did you mean 'linear'"):
        get("liner")
