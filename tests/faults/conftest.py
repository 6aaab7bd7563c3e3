"""Sweeps to which something happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.home import Home
from tests.faults.long import LONG


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A sweep to which nothing happened."""
    home = Home(tmp_path_factory.mktemp("undisturbed"))
    code, _, err = home.run("sweep", home.spec(**LONG))
    assert code == 0, err
    return home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A fresh home."""
    return Home(tmp_path)
