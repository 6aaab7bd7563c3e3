"""An mlruns/ that was moved or copied: MLflow keeps the places of artifacts as absolute paths (mlflow#3144)."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from mlflow.utils.file_utils import get_local_path_or_none

from nvf.journal.folders import SweepFolder

PLACES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "model_versions": ("source", "storage_location"),
    "logged_models": ("artifact_location",),
}
"""Tables of MLflow's, and their columns that say where artifacts lie."""
TAG = {"nvf.artifacts": "beside the database"}
"""Of an experiment whose artifacts lie in mlruns/, because nobody said otherwise."""
BESIDE = f"""
select 1 from experiments join experiment_tags using (experiment_id) where name = ? and key = '{next(iter(TAG))}'
"""


def local(address: str) -> Path | None:
    """Return the path that MLflow reads at an artifact's address, or None where it is on no disk of this machine."""
    path = get_local_path_or_none(address)  # type: ignore[no-untyped-call]
    return None if path is None else Path(path)


def follow(database: Path, home: Path, experiment: str) -> Path | None:
    """Make MLflow's SQLite database in mlruns/ name the artifacts that were moved or copied along with it to `home`.

    Nothing is changed before it is proven that artifacts belong to this database: files of one of its runs lie in
    `home`, or the tag of `experiment` says so. Then an address below the old place is rewritten where what it means
    lies in `home`, that of a run also where it has no files at all. So artifacts that the user put elsewhere stay,
    files that did not come along are still named where they were, and a second time changes nothing. While a sweep
    writes here, nothing is changed. Returns where the artifacts were, or None where nothing was changed.
    """
    with closing(sqlite3.connect(database, timeout=10)) as opened:
        found = opened.execute("select artifact_location from experiments where name = ?", (experiment,)).fetchone()
        old = None if found is None or found[0] == home.as_uri() else local(found[0])
        if old is None or home.exists() and old.exists() and old.samefile(home):
            return None
        with opened:
            opened.execute("begin immediate")
            changes = _changes(opened, old, home)
            tagged = opened.execute(BESIDE, (experiment,)).fetchone()
            if not (tagged or any(path.exists() for table, *_, path in changes if table == "runs")):
                return None
            if any(sweep.running() for sweep in SweepFolder.all()):
                return None
            for table, column, row, path in changes:
                opened.execute(f"update {table} set {column} = ? where rowid = ?", (path.as_uri(), row))
    logging.getLogger(__name__).warning(
        "mlruns/ was moved or copied: MLflow's database named its artifacts in %s, and now does in %s", old, home
    )
    return old


def _changes(opened: sqlite3.Connection, old: Path, home: Path) -> list[tuple[str, str, int, Path]]:
    """Return table, column, row and new path of each place below `old` that follows to `home`."""
    changes: list[tuple[str, str, int, Path]] = []
    for table, columns in PLACES.items():
        for column in columns:
            rows: list[tuple[int, Any]] = opened.execute(f"select rowid, {column} from {table}").fetchall()
            for row, address in rows:
                path = None if address is None else local(address)
                if path is None or not path.is_relative_to(old):
                    continue
                new = home / path.relative_to(old)
                if new.exists() or path == old or table == "runs" and not path.exists():
                    changes.append((table, column, row, new))
    return changes
