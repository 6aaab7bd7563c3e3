"""Packages that extend nvf, in this process, for as long as a test takes."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nvf.losses import LOSSES
from nvf.measures.parse import MEASURES
from nvf.sweep.pruner import PRUNERS
from nvf.sweep.sampler import SAMPLERS
from nvf.systems import SYSTEMS
from nvf.tasks import SOURCES

PACKAGE = Path(__file__).parent / "plugin" / "nvf_poly"
TABLES = (LOSSES, MEASURES, PRUNERS, SAMPLERS, SOURCES, SYSTEMS)


@contextmanager
def plugged(folder: Path) -> Iterator[None]:
    """Let Python find the packages in `folder`; what they brought is forgotten afterwards."""

    def forget() -> None:
        for table in TABLES:
            table.__dict__.pop("offered", None)
            for name in [each for each in table._loaded if each not in table.own]:
                del table._loaded[name]
        for name, module in [*sys.modules.items()]:
            if str(getattr(module, "__file__", "")).startswith(f"{folder}/"):
                del sys.modules[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        forget()
        try:
            yield
        finally:
            forget()


def written(path: Path, documents: int) -> Path:
    """Write an archive for the source of tests/plugin."""
    runpy.run_path(str(PACKAGE / "example.py"))["write"](path, documents)
    return path
