"""Where things lie on disk: `NVF_MLRUNS` moves all that runs write; `NVF_DATA` is where shared specs find data."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from nvf.errors import UsageError

DEFAULT_DATA = Path("../shared/data")


def absolute(name: str) -> Path:
    """Return the path that somebody wrote, `~` filled in, as seen from here."""
    return Path(name).expanduser().absolute()


def mlruns() -> Path:
    """Return the absolute folder that holds everything runs write; raises `UsageError` where MLflow cannot read it."""
    folder = Path(os.environ.get("NVF_MLRUNS") or "mlruns").absolute()
    way_out = "rename that folder, or set NVF_MLRUNS to another one"
    # MLflow takes paths of models for addresses, and would look for them below what it reads there
    if (read := unquote(str(folder))) != str(folder):
        raise UsageError(f"mlruns/ is at {folder}, which MLflow reads as {read}: {way_out}")
    if str(folder).encode("utf-8", "ignore") != os.fsencode(folder):
        raise UsageError(f"mlruns/ is at {str(folder)!r}, which is no UTF-8 text: {way_out}")
    return folder


def data() -> Path:
    """Return the absolute folder behind `${NVF_DATA}` in sweep files."""
    return Path(os.environ.get("NVF_DATA") or DEFAULT_DATA).resolve()


def cache() -> Path:
    """Return the folder of encoded vectors and task snapshots; safe to delete, costly to make again."""
    return mlruns() / "cache"


def sweeps() -> Path:
    """Return the folder with one folder per sweep."""
    return mlruns() / "sweeps"


def sweep(name: str) -> Path:
    """Return the folder of the sweep called `name`."""
    return sweeps() / name
