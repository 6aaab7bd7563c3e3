"""Entry points are looked at where a name is not nvf's own, loaded where it is asked for, and named where they fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nvf.errors import PluginError, UsageError
from nvf.plugins import Table


def install(folder: Path, name: str, points: str, module: str = "", group: str = "nvf.things") -> None:
    """Lay a package into `folder` as pip does."""
    info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{points}\n")
    (folder / f"{name.replace('-', '_')}.py").write_text(module)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table[Any]:
    install(tmp_path, "my-things", "red = my_things:RED\nown = my_things:RED\ntwice = my_things:RED", "RED = 'red'")
    install(tmp_path, "bad-things", "blue = bad_things:BLUE\ngone = no_such_module:X\ntwice = bad_things:X", "1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_things", raising=False)
    return Table("nvf.things", "thing", {"own": 7, "lazy": "os.path:sep"})


def test_own_names_come_first_and_need_no_look_at_packages(table: Table[Any]) -> None:
    assert table["own"] == 7 and table["lazy"] == "/" and [*table] == ["own", "lazy"] and "own" in table
    assert "offered" not in table.__dict__


def test_all_that_can_be_named_is_listed_in_order(table: Table[Any]) -> None:
    assert table.known() == ["blue", "gone", "lazy", "own", "red", "twice"], "what completion and errors list"
    assert "my_things" not in sys.modules


def test_what_a_package_brings_is_loaded_by_name(table: Table[Any]) -> None:
    assert "red" in table and "my_things" not in sys.modules
    assert table.find("red") == "red" and [*table] == ["own", "lazy", "red"] and len(table) == 3
    with pytest.raises(UsageError, match="unknown thing 'rad'; did you mean 'red'"):
        table.find("rad")


@pytest.mark.parametrize(("name", "said"), [("blue", "ZeroDivisionError"), ("gone", "ModuleNotFoundError")])
def test_a_broken_package_is_named_with_the_way_out(table: Table[Any], name: str, said: str) -> None:
    with pytest.raises(PluginError, match=f"thing '{name}' of the package bad-things 1.2 .*{said}.*pip uninstall bad-"):
        table[name]


def test_two_packages_with_one_name_are_named(table: Table[Any]) -> None:
    with pytest.raises(PluginError, match="offered by bad-things 1.2 and my-things 1.2: uninstall all but one"):
        table["twice"]


def test_what_is_not_accepted_is_the_packages_fault(table: Table[Any]) -> None:
    def accept(name: str, found: Any) -> Any:
        raise ValueError(f"{found!r} is no {name}")

    table._accept = accept
    with pytest.raises(PluginError, match="my-things 1.2 .*'red' is no red"):
        table["red"]


def test_own_names_import_no_metadata() -> None:
    code = "import sys; from nvf.measures.parse import MEASURES; print('RR' in MEASURES, *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    found, *modules = done.stdout.split()
    assert found == "True" and "importlib.metadata" not in modules
