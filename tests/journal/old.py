"""A sweep with failures, confirmations and promotions, as an older nvf left it; see tests/samples/old."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

SAMPLE = Path(__file__).parents[1] / "samples" / "old"


def restore(mlruns: Path) -> Path:
    """Put the sweep `old` into `mlruns`, with its checkpoints and, under `model`, its champion; return its folder."""
    folder = mlruns / "sweeps" / "old"
    folder.mkdir(parents=True)
    for name in ("journal.jsonl", "spec.yaml"):
        shutil.copy(SAMPLE / name, folder)
    with tarfile.open(SAMPLE / "files.tar.gz") as files:
        files.extractall(folder, filter="data")
    return folder
