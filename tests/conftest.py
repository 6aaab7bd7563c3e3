"""Fixtures that every room's tests share."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nvf import paths

collect_ignore = ["plugin"]
"""To import it is to register it: those tests do that need it, for as long as it takes (`tests/plugged.py`)."""


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The shared data sets, where they are."""
    folder = paths.data()
    if not (folder / "beir").is_dir():
        pytest.skip(f"no data sets at {folder}: set NVF_DATA to the folder that holds beir/")
    return folder


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which pip has installed tests/plugin, a package that extends nvf."""
    source, target = tmp_path_factory.mktemp("source") / "plugin", tmp_path_factory.mktemp("installed")
    shutil.copytree(Path(__file__).parent / "plugin", source)
    options = ["-q", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", target, source], check=True)
    return target


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Take back what a test made this process wait for a tracking server: the most patient client asks for all."""
    names = ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT")
    before = {name: os.environ[name] for name in names if name in os.environ}
    yield
    for name in names:
        os.environ.pop(name, None)
    os.environ.update(before)


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What nvf logs, line by line."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    log, handler = logging.getLogger("nvf"), Lines()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield lines
    log.setLevel(before)
    log.removeHandler(handler)


@pytest.fixture
def mlruns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An mlruns/ of the test's own."""
    folder = tmp_path / "mlruns"
    monkeypatch.setenv("NVF_MLRUNS", str(folder))
    return folder
