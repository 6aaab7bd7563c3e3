"""The saved views in a real browser, over a real MLflow server."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nvf import paths
from nvf.journal.events import Journal, read
from nvf.journal.folders import SweepFolder
from nvf.journal.replay import replay
from nvf.tracking import names, runs, server, views
from nvf.tracking.sync import sync
from tests.tracking import journals
from tests.tracking.servers import mlflow_server

__all__ = ["mlflow_server"]

pytestmark = pytest.mark.browser
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
OPTIONS = (  # wide, for the table renders no column that is out of sight
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=4000,1600 --virtual-time-budget=60000 --dump-dom"
).split()
ONE, SEVERAL = journals.NAME, "quick"
NAME = "attributes.`Run Name`"


@pytest.fixture(scope="module")
def experiment(mlflow_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A sweep of one system and one of two, as the quickstart is."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NVF_MLRUNS", str(tmp_path_factory.mktemp("mlruns")))
        patch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
        journals.sweep(paths.sweep(ONE), trials=6)
        journals.several_systems(paths.sweep(SEVERAL), SEVERAL)
        for name in (ONE, SEVERAL):
            sync(SweepFolder.named(name))
        yield server.experiment(server.client())


def rendered(address: str, wanted: str, folder: Path) -> str:
    """The document that the browser made of a page, as soon as it holds `wanted`."""
    assert CHROMIUM is not None
    for attempt in range(5):
        command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder / f'profile-{attempt}'}", address]
        document = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
        if wanted in document:
            return document
    raise AssertionError(f"{address} shows no {wanted}")


def view(experiment: str, name: str, of: str) -> str:
    return views.link(experiment, replay(read(paths.sweep(of))), name)


class Grid(HTMLParser):
    """The table of runs: its columns from left to right, and each row's cells by column."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self._places: dict[str, int] = {}
        self._rows: dict[int, dict[str, str]] = {}
        self._depth, self._row, self._cell, self._ends = 0, -1, "", -1
        self.feed(document)

    @property
    def columns(self) -> list[str]:
        return sorted(self._places, key=lambda name: self._places[name])

    @property
    def rows(self) -> list[dict[str, str]]:
        return [row for _, row in sorted(self._rows.items()) if NAME in row]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "div":
            return
        self._depth += 1
        found = {name: value or "" for name, value in attrs}
        match found.get("role"):
            case "row" if "row-index" in found:
                self._row = int(found["row-index"])
            case "gridcell":
                self._cell, self._ends = found["col-id"], self._depth
                self._rows.setdefault(self._row, {})[self._cell] = ""
            case "columnheader" if "`" in found.get("col-id", ""):
                self._places[found["col-id"]] = int(found["aria-colindex"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self._cell = "" if self._depth == self._ends else self._cell
            self._depth -= 1

    def handle_data(self, data: str) -> None:
        if self._cell:
            self._rows[self._row][self._cell] += data.strip()


def cells(grid: Grid, *columns: str) -> list[tuple[str, ...]]:
    """Return the names of the runs, without the colours before them, and the cells of some columns."""
    return [(re.sub("^#[0-9a-f]{6}", "", row[NAME]), *(row[column] for column in columns)) for row in grid.rows]


def test_the_printed_link_shows_one_system_s_parameters_and_the_floors_best_first(
    experiment: str, tmp_path: Path
) -> None:
    grid = Grid(rendered(view(experiment, "leaderboard", ONE), "floor raw", tmp_path))
    figures = ["best/nDCG_at_10", "best/R_at_5", "best_clean/nDCG_at_10", "best_cold/nDCG_at_10"]
    assert [name for name in grid.columns if name.startswith("metrics")] == [f"metrics.`{name}`" for name in figures]
    assert cells(grid, "params.`system`", "params.`rank`", "params.`temperature`", "tags.`nvf.outcome`") == [
        (f"{ONE}/ceiling oracle", "oracle", "-", "-", "ceiling"),
        (f"{ONE}/0005 linear", "linear", "32", "0.30000000000000004", "pruned"),
        (f"{ONE}/0004 linear", "linear", "16", "0.25", "complete"),
        (f"{ONE}/0003 linear", "linear", "8", "0.2", "complete"),
        (f"{ONE}/0002 linear", "linear", "4", "0.15000000000000002", "failed"),
        (f"{ONE}/floor raw", "raw", "-", "-", "floor"),
        (f"{ONE}/0001 linear", "linear", "2", "0.1", "pruned"),
        (f"{ONE}/0000 linear", "linear", "1", "0.05", "complete"),
    ]


def test_the_printed_link_shows_the_parameters_of_several_systems(experiment: str, tmp_path: Path) -> None:
    grid = Grid(rendered(view(experiment, "leaderboard", SEVERAL), "floor raw", tmp_path))
    shown = cells(grid, "params.`fused.k1`", "params.`fused.weight`", "params.`linear.lr`", "metrics.`best/nDCG_at_10`")
    assert shown[1] == (f"{SEVERAL}/0007 linear", "-", "-", "0.008", "0.52")
    assert (f"{SEVERAL}/0006 fused", "6.9", "0.6000000000000001", "-", "0.48") in shown
    assert (f"{SEVERAL}/floor raw", "-", "-", "-", "0.45") in shown
    assert len(shown) == 8 + 2


@pytest.mark.parametrize(
    ("of", "axes", "ends"),
    [
        (ONE, ["rank", "temperature", "value"], {"5", "30", "0.05", "0.30"}),
        (
            SEVERAL,
            ["system", "value", "fused.k1", "fused.weight", "value", "linear.lr", "value"],
            {"raw", "oracle", "linear", "fused", "0.002", "0.008", "0.0", "0.6"},
        ),
    ],
)
def test_parallel_plots_have_axes_with_values(
    experiment: str, of: str, axes: list[str], ends: set[str], tmp_path: Path
) -> None:
    document = rendered(view(experiment, "parameters", of), 'class="label"', tmp_path)
    assert re.findall(r'class="label">([^<]+)<', document) == axes
    assert ends <= set(re.findall(r'<text fill="currentColor"[^>]*>([^<]+)<', document))
    for name in set(axes) - {"system", "value"}:
        assert f"{name} vs. value" in document


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("learning curves", ["dev/nDCG_at_10", "dev_cold/nDCG_at_10", "dev/R_at_5"]),
        ("all against cold", ["best_cold/nDCG_at_10 vs. best/nDCG_at_10"]),
    ],
)
def test_charts_are_drawn_with_the_floors(experiment: str, name: str, titles: list[str], tmp_path: Path) -> None:
    document = rendered(view(experiment, name, ONE), "js-plotly-plot", tmp_path)
    for title in titles:
        assert title in document, title
    assert f"{ONE}/floor raw" in document


def test_sweeps_stand_beside_each_other(experiment: str, tmp_path: Path) -> None:
    address = f"{server.ui_address()}/{views.overview(experiment)}"
    grid = Grid(rendered(address, "over_best_floor", tmp_path))
    params = [f"params.`{name}`" for name in ("systems", "sampler", "seed", "trials", "measure")]
    assert cells(grid, "metrics.`value`", *params) == [
        (SEVERAL, "0.52", "fused, linear", "tpe", "7", "8", "nDCG@10"),
        (ONE, "0.51", "linear", "tpe", "7", "4", "nDCG@10"),
    ]


def test_a_sweep_s_page_tells_it_and_leads_back_to_its_views(experiment: str, tmp_path: Path) -> None:
    folder = paths.sweep(SEVERAL)
    journal, _ = Journal.open(folder)
    with journal:
        journals.confirmed(journal, 1, 7, 0.5)
    sync(SweepFolder(folder))
    parent = runs.find(server.client(), experiment, replay(read(folder)))[None]
    address = f"{server.ui_address()}/#/experiments/{experiment}/runs/{parent.id}?{views.TRAINING}"
    document = rendered(address, "Confirmation 1", tmp_path)
    for text in ("best epoch\N{EM SPACE}", "0007 linear\N{EM SPACE}", "[+0.1500, +0.2500]"):
        assert text in document, text
    for name in views.MODES:
        assert f'href="{html.escape(views.inside(experiment, replay(read(folder)), name))}"' in document
    assert parent.tags[names.NOTE].startswith("[leaderboard](#/experiments/")
