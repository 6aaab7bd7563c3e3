"""mlruns/ moved or copied: MLflow's absolute places follow what came along, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run

from nvf import paths
from nvf.errors import TrackingError
from nvf.journal.events import Journal
from nvf.journal.folders import SweepFolder
from nvf.tracking import server
from nvf.tracking.sync import sync
from tests.tracking import journals


def begin(name: str) -> None:
    with Journal.create(paths.sweep(name)) as journal:
        journals.start(journal, name)
    sync(SweepFolder.named(name))


def runs() -> list[Run]:
    mlflow = server.client()
    return list(mlflow.search_runs([server.experiment(mlflow)], order_by=["attributes.start_time"]))


def places() -> set[str]:
    """Where the runs' artifacts lie."""
    return {str(run.info.artifact_uri).removesuffix(f"/{run.info.run_id}/artifacts") for run in runs()}


@pytest.fixture
def go(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes a folder nvf's mlruns/."""
    return lambda folder: monkeypatch.setenv("NVF_MLRUNS", str(folder))


def test_a_moved_folder_is_whole_and_may_move_back(mlruns: Path, tmp_path: Path, go: Callable[[Path], None]) -> None:
    begin("first")
    there = tmp_path / "exp #1" / "a;b?"
    for old, new in ((mlruns, there), (there, mlruns)):
        new.parent.mkdir(exist_ok=True)
        old.rename(new)
        go(new)
        begin(f"in-{'there' if new is there else 'mlruns'}")
        assert places() == {(new / "artifacts").as_uri()}
        for run in runs():
            if run.data.tags["nvf.kind"] == "sweep":
                (found,) = server.client().list_artifacts(run.info.run_id)
                assert found.path == "spec.yaml"
        assert not old.exists(), "nothing is written to the old place"
    assert server.artifacts(server.client()) == (mlruns / "artifacts").as_uri()


def test_a_copy_goes_its_own_way(mlruns: Path, tmp_path: Path, go: Callable[[Path], None]) -> None:
    begin("first")
    shutil.copytree(mlruns, tmp_path / "copy")
    go(tmp_path / "copy")
    begin("second")
    assert places() == {(tmp_path / "copy" / "artifacts").as_uri()}
    before = {path.name for path in (mlruns / "artifacts").iterdir()}
    go(mlruns)
    assert places() == {(mlruns / "artifacts").as_uri()}
    assert {run.info.run_id for run in runs()} >= before


def test_a_link_to_the_folder_is_no_move(mlruns: Path, tmp_path: Path, go: Callable[[Path], None]) -> None:
    begin("first")
    (tmp_path / "link").symlink_to(mlruns)
    go(tmp_path / "link")
    assert places() == {(mlruns / "artifacts").as_uri()}


def test_artifacts_that_the_user_put_elsewhere_stay(
    mlruns: Path, tmp_path: Path, go: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", (tmp_path / "bulk").as_uri())
    begin("first")
    monkeypatch.delenv("MLFLOW_DEFAULT_ARTIFACT_ROOT")
    mlruns.rename(tmp_path / "moved")
    go(tmp_path / "moved")
    begin("second")
    assert places() == {(tmp_path / "bulk").as_uri()}
    (tmp_path / "bulk").rename(tmp_path / "gone")
    with pytest.raises(TrackingError, match=f"artifacts were in {tmp_path}/bulk, .*into {tmp_path}/moved/artifacts"):
        server.artifacts(server.client())
    (tmp_path / "gone").rename(tmp_path / "moved" / "artifacts")
    assert places() == {(tmp_path / "moved" / "artifacts").as_uri()}, "as the message says"


def test_a_sweep_that_runs_is_left_alone(mlruns: Path, tmp_path: Path, go: Callable[[Path], None]) -> None:
    begin("first")
    shutil.copytree(mlruns, tmp_path / "copy")
    go(tmp_path / "copy")
    journal, _ = Journal.open(paths.sweep("first"))
    with journal:
        assert places() == {(mlruns / "artifacts").as_uri()}
    assert places() == {(tmp_path / "copy" / "artifacts").as_uri()}


def test_what_did_not_come_along_is_not_claimed(mlruns: Path, tmp_path: Path, go: Callable[[Path], None]) -> None:
    begin("first")
    mlruns.rename(tmp_path / "moved")
    shutil.rmtree(tmp_path / "moved" / "artifacts")
    go(tmp_path / "moved")
    begin("second")
    assert places() == {(tmp_path / "moved" / "artifacts").as_uri()}
    assert len(list((tmp_path / "moved" / "artifacts").iterdir())) == 1, "of the second sweep"
    assert not mlruns.exists()
