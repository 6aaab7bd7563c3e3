"""What `nvf systems` and `nvf tasks` show, at the width of a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nvf.systems import SYSTEMS
from nvf.systems.catalogue import catalogue
from nvf.tasks import SOURCES
from tests.plugged import plugged
from tests.test_plugins import install


@pytest.mark.parametrize("columns", [80, 160])
def test_lists_fit_and_name_everything(nvf: Any, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for command, names in (("systems", catalogue()), ("tasks", SOURCES)):
        lines = nvf(command).out.splitlines()
        assert max(map(len, lines)) <= columns
        assert [line.split()[0] for line in lines if line and not line.startswith(" ")] == [*names, "nvf"]
        assert len(lines) <= (2 if columns == 80 else 1) * len(names) + 2, "one or two lines each"


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("name", list(SYSTEMS))
def test_a_system_with_its_parameters(nvf: Any, monkeypatch: pytest.MonkeyPatch, columns: int, name: str) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = nvf("systems", name).out
    assert max(map(len, shown.splitlines())) <= columns
    words = shown.split()
    for parameter, bound in catalogue()[name].params.items():
        assert parameter in words
        assert " ".join(bound.doc.split()) in " ".join(words)
    assert f"source: {catalogue()[name].source}" in " ".join(words)


def test_a_parameter_in_full(nvf: Any) -> None:
    line = next(line for line in nvf("systems", "linear").out.splitlines() if "temperature" in line)
    assert line.split(maxsplit=1) == [
        "temperature",
        "float in [0.01, 0.2] log, default 0.05: temperature of the softmax over cosines",
    ]
    assert "path" in nvf("tasks", "beir").out and "required" in nvf("tasks", "beir").out


def test_json_of_one_is_its_entry_in_the_list(nvf: Any) -> None:
    for command, name in (("systems", "nudge"), ("tasks", "beir")):
        whole = {each["name"]: each for each in json.loads(nvf(command, "--json").out)}
        assert json.loads(nvf(command, name, "--json").out) == [whole[name]]
    assert json.loads(nvf("systems", "nudge", "--json").out)[0]["kind"] == "closed form"


def test_an_unknown_name(nvf: Any) -> None:
    for command, name, near in (("systems", "liner", "linear"), ("tasks", "bier", "beir")):
        ran = nvf(command, name)
        assert ran.code == 2 and f"'{name}'; did you mean '{near}'?" in ran.err


def test_what_packages_bring_is_listed_and_what_is_broken_is_named(
    nvf: Any, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    install(tmp_path, "bad-things", "blue = bad_things:BLUE", "1 / 0", group="nvf.systems")
    with plugged(installed), plugged(tmp_path):
        shown = nvf("systems").out
        assert "poly            trained: score(q, d) = max over c" in shown
        assert "broken: the system 'blue' of the package bad-things 1.2" in " ".join(shown.split())
        assert max(map(len, shown.splitlines())) <= 80
        assert "poly" in {each["name"] for each in json.loads(nvf("systems", "--json").out)}
        assert "npz         a NumPy archive" in nvf("tasks").out and "required" in nvf("tasks", "npz").out
        ran = nvf("systems", "blue")
        assert ran.code == 2 and "pip uninstall bad-things" in " ".join(ran.err.split())
