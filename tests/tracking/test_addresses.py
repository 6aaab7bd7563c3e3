"""mlruns/ below folders whose names mean something else in an address."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from nvf import paths
from nvf.errors import TrackingError, UsageError
from nvf.journal.events import Journal
from nvf.journal.folders import SweepFolder
from nvf.tracking import database, server
from nvf.tracking.sync import sync
from tests.tracking import journals

NAMES = ["exp #1", "a?b=c;d", "100% &+@:", 'Jürgen\'s "Läufe"', "back\\slash", "$HOME [x]"]


@pytest.mark.parametrize("name", [*NAMES, "plain", "two words", "a%20b"])
def test_a_database_is_opened_where_it_lies_and_nowhere_else(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "homes" / name
    folder.mkdir(parents=True)
    with sqlite3.connect(folder / "mlflow.db") as made:
        made.execute("create table t (x)")
    engine = create_engine(database.address(folder / "mlflow.db"))
    with engine.connect() as opened:
        assert opened.execute(text("select name from sqlite_master")).scalars().all() == ["t"]
    engine.dispose()
    assert [path.name for path in (tmp_path / "homes").iterdir()] == [name]


@pytest.mark.parametrize("name", ["plain", "two words"])
def test_an_address_that_needs_no_quoting_is_as_it_always_was(name: str, tmp_path: Path) -> None:
    assert database.address(tmp_path / name / "mlflow.db") == f"sqlite:///{tmp_path}/{name}/mlflow.db"


@pytest.fixture
def move_home(tmp_path: Path, mlruns: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts mlruns/, with an empty database, below a folder of the name given, in `homes`."""

    def move(name: str) -> Path:
        home = tmp_path / "homes" / name / "mlruns"
        shutil.copytree(mlruns, home)
        monkeypatch.setenv("NVF_MLRUNS", str(home))
        return home

    return move


def test_a_sweep_is_shown_with_its_files_in_mlruns(move_home: Callable[[str], Path], tmp_path: Path) -> None:
    for name in NAMES:
        home = move_home(name)
        with Journal.create(paths.sweep("odd")) as journal:
            journals.start(journal, "odd")
        sync(SweepFolder.named("odd"))
        assert list(home.glob("artifacts/*/artifacts/spec.yaml")), name
        (run,) = server.client().search_runs([server.experiment(server.client())], "tags.`nvf.kind` = 'sweep'")
        assert [each.path for each in server.client().list_artifacts(run.info.run_id)] == ["spec.yaml"], name
    assert {path.name for path in (tmp_path / "homes").iterdir()} == set(NAMES), "and nowhere else"
    assert {path.name for path in tmp_path.iterdir()} == {"mlruns", "homes"}


def test_the_command_for_a_deleted_experiment_works_as_printed(move_home: Callable[[str], Path]) -> None:
    home = move_home("it's #1")
    mlflow = server.client()
    mlflow.delete_experiment(server.experiment(mlflow))
    with pytest.raises(TrackingError) as raised:
        server.experiment(mlflow)
    printed = str(raised.value).partition("restore it with: ")[2]
    subprocess.run(printed, shell=True, check=True, cwd=home.parent)
    assert server.experiment(mlflow)
    assert [path.name for path in home.parents[1].iterdir()] == ["it's #1"]


@pytest.mark.parametrize(
    ("name", "told"),
    [("a%20b", "which MLflow reads as .*/a b/mlruns: rename"), ("\udcff", "no UTF-8 text")],
)
def test_what_mlflow_cannot_read_is_refused_before_anything(
    name: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVF_MLRUNS", str(tmp_path / name / "mlruns"))
    with pytest.raises(UsageError, match=f"{told}.*set NVF_MLRUNS"):
        paths.sweep("any")
