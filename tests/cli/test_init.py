"""nvf init: a first sweep file that can be run as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "FAQ 2024.csv"
    rows = (f"how do I do {n}?,do thing {n} like this" for n in range(90))
    path.write_text("\n".join(["question,answer", *rows]))
    return path


def test_it_writes_a_file_that_is_checked_and_names_the_next_command(nvf: Any, table: Path) -> None:
    ran = nvf("init", table.name)
    assert ran.code == 0, ran.err
    assert "faq-2024.yaml: valid; sweep 'faq-2024'" in ran.out and "90 documents" in ran.out
    assert ran.out.splitlines()[-1].split() == ["search", "nvf", "sweep", "faq-2024.yaml"]
    (seen,) = json.loads(nvf("init", table.name, "--out", "b.yaml", "--json").out)
    assert seen["file"] == "b.yaml" and seen["name"] == "b" and (table.parent / "b.yaml").is_file()


def test_a_file_that_is_there_stays(nvf: Any, table: Path) -> None:
    (table.parent / "faq-2024.yaml").write_text("mine")
    ran = nvf("init", table.name)
    assert ran.code == 2 and "faq-2024.yaml is there already" in ran.err and "--out" in ran.err
    assert (table.parent / "faq-2024.yaml").read_text() == "mine"
    assert nvf("init", table.name, "--out", "other.yaml").code == 0
    assert nvf("init", table.name, "--out", "nowhere/other.yaml").code == 2


def test_data_that_need_a_word_more_are_named_and_the_file_stays_to_be_edited(nvf: Any, table: Path) -> None:
    table.write_text(table.read_text().replace("question,answer", "Frage,Antwort"))
    ran = nvf("init", table.name)
    assert ran.code == 2 and "Frage" in ran.err and "faq-2024.yaml:" in ran.err
    assert (table.parent / "faq-2024.yaml").is_file()
