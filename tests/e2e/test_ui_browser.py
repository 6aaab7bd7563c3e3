"""The saved views in a real browser, over a real MLflow server."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nvf import paths
from nvf.journal.events import read
from nvf.journal.replay import replay
from nvf.tracking import server, views
from nvf.tracking.sync import sync
from tests.tracking import journals
from tests.tracking.servers import mlflow_server

__all__ = ["mlflow_server"]

pytestmark = pytest.mark.browser
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1900,1200 --virtual-time-budget=60000 --dump-dom"
).split()
RUN = re.compile(r"lexical-gap/(\d{4}) linear")


@pytest.fixture
def experiment(mlflow_server: str, mlruns: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    journals.sweep(paths.sweep(journals.NAME), trials=6)
    sync(paths.sweep(journals.NAME))
    return server.experiment(server.client())


def rendered(experiment: str, view: str, wanted: str, folder: Path) -> str:
    """The document that the browser made of a view, as soon as it holds `wanted`."""
    assert CHROMIUM is not None
    address = views.link(experiment, replay(read(paths.sweep(journals.NAME))), view)
    for attempt in range(5):
        command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder / f'profile-{attempt}'}", address]
        document = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
        if wanted in document:
            return document
    raise AssertionError(f"the view '{view}' shows no {wanted}")


def test_the_leaderboard_opens_with_figures_and_parameters_best_first(experiment: str, tmp_path: Path) -> None:
    document = rendered(experiment, "leaderboard", "0005 linear", tmp_path)
    assert list(dict.fromkeys(RUN.findall(document))) == ["0005", "0004", "0003", "0002", "0001", "0000"]
    for column in ("best/nDCG_at_10", "best/R_at_5", "best_cold/nDCG_at_10", "temperature", "rank"):
        assert f">{column}<" in document, column
    assert ">Sort<" in document or "Sort: best/nDCG_at_10" in re.sub(r"<!--.*?-->|<[^>]+>", "", document)


@pytest.mark.parametrize(
    ("view", "titles"),
    [
        ("learning curves", ["dev/nDCG_at_10", "dev_cold/nDCG_at_10", "dev/R_at_5"]),
        ("all against cold", ["best_cold/nDCG_at_10 vs. best/nDCG_at_10"]),
        ("parameters", ["Parallel Coordinates", "temperature vs. value"]),
    ],
)
def test_charts_are_drawn(experiment: str, view: str, titles: list[str], tmp_path: Path) -> None:
    document = rendered(experiment, view, "js-plotly-plot", tmp_path)
    for title in titles:
        assert title in document, title
