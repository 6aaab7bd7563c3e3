"""docs/results.md is made by benchmarks/results.py: every table stands between marks that name the command."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "results.md").read_text()


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("results")


def test_every_mark_of_the_page_has_a_command_that_writes_it(results: ModuleType) -> None:
    assert {found["name"] for found in results.MARKED.finditer(PAGE)} <= set(results.TABLES)


def test_a_table_is_written_between_its_marks_alone(results: ModuleType) -> None:
    page = "a\n<!-- table: one -->\n| old |\n<!-- end -->\nb\n<!-- table: two -->\n| kept |\n<!-- end -->\n"
    assert results.written(page, "one", r"| a\|b |") == page.replace("| old |", r"| a\|b |")
    with pytest.raises(SystemExit, match="no <!-- table: three -->"):
        results.written(page, "three", "")
