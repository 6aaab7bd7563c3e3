"""What `nvf systems` and `nvf tasks` show, at the width of a terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nvf.systems import SYSTEMS
from nvf.systems.catalogue import catalogue
from nvf.tasks import SOURCES


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
