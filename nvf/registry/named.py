"""What names a version in the registry, and the folder of one in mlruns/, read without MLflow.

To ask one question, importing MLflow would take longer than to answer it. Whatever is unusual here, a server, another
form of the database, a folder that moved, is left to MLflow's own client in `nvf.registry.versions`.
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from nvf import paths
from nvf.errors import UsageError
from nvf.tracking import names

ALIAS = "champion"
RETRIEVER = "retriever"
PROMOTED_AT = "nvf.promoted_at"
"""Tag of a registered model: when one of its versions was promoted last; such dates sort as texts do."""
NEWEST = """
SELECT alias.name FROM registered_model_aliases AS alias
JOIN registered_model_tags AS kind ON kind.name = alias.name AND kind.key = ? AND kind.value = ?
LEFT JOIN registered_model_tags AS at ON at.name = alias.name AND at.key = ?
WHERE alias.alias = ? ORDER BY COALESCE(at.value, '') DESC, alias.name LIMIT 1
"""
VERSION = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
SOURCE = """
SELECT COALESCE(storage_location, source) FROM model_versions
WHERE name = ? AND version = ? AND current_stage != 'Deleted_Internal'
"""


def parse(model: str) -> tuple[str, str, str]:
    """Return name, alias and version (empty where an alias is meant)."""
    found = re.fullmatch(r"(?:models:/)?([^/@:]+)(?:@([^/@]+)|/(\d+))?", model)
    if found is None:
        raise UsageError(f"'{model}' is no model; write models:/NAME@{ALIAS}, models:/NAME/VERSION or NAME")
    return found[1], found[2] or ALIAS, found[3] or ""


def folder(model: str | None) -> Path | None:
    """Return the folder of the version that `model` means, as `nvf.registry.versions.resolve` has it, or None.

    None says that MLflow has to be asked: where there is no such version it knows what to tell.
    """
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return None
    try:
        with closing(_connection()) as database:
            return _folder(database, model)
    except sqlite3.Error:
        return None


def known() -> list[str]:
    """Return the names of the registered models in mlruns/, in order; none where there is another registry."""
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return []
    try:
        with closing(_connection()) as database:
            return [name for (name,) in database.execute("SELECT name FROM registered_models ORDER BY name")]
    except sqlite3.Error:
        return []


def _connection() -> sqlite3.Connection:
    return sqlite3.connect(f"{(paths.mlruns() / 'mlflow.db').as_uri()}?mode=ro", uri=True, timeout=1)


def _folder(database: sqlite3.Connection, model: str | None) -> Path | None:
    def one(query: str, *values: object) -> object:
        row = database.execute(query, values).fetchone()
        return None if row is None else row[0]

    name, alias, version = (None, ALIAS, "") if model is None else parse(model)
    name = name or one(NEWEST, names.KIND, RETRIEVER, PROMOTED_AT, ALIAS)  # type: ignore[assignment]
    source = one(SOURCE, name, int(version) if version else one(VERSION, name, alias))
    if not str(source).startswith("file:"):
        return None
    found = Path(url2pathname(urlparse(str(source)).path))
    return found if found.is_relative_to(paths.mlruns()) and (found / "artifacts").is_dir() else None
