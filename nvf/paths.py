"""Where things lie on disk: `NVF_MLRUNS` moves all that runs write; `NVF_DATA` is where shared specs find data."""

from __future__ import annotations

import os
from pathlib import Path

DEFAULT_DATA = Path("../shared/data")


def mlruns() -> Path:
    """Return the absolute folder that holds everything runs write."""
    return Path(os.environ.get("NVF_MLRUNS") or "mlruns").absolute()


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
