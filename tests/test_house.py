"""What the house promises as a whole: its rooms, a quick `nvf --help`, and nothing that ties it to one machine."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import nvf
from tests.tracked import ROOT, repository

TOP = """
.ci .gitignore .pre-commit-config.yaml CHANGELOG.md LICENSE Makefile README.md constraints.txt pyproject.toml
benchmarks docs jobs mlruns nvf search_spaces tests
"""
ROOMS = """
tasks encoders losses topk systems measures diagnostics indexes training
journal spec sweep tracking registry cluster cli testing
"""
HEAVY = ("torch", "ray", "optuna", "mlflow", "sentence_transformers")
ONE_MACHINE = re.compile(r"(?<![\w.])/(work|root)/|/tmp/[v]env")


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """The files that git tracks."""
    found = repository()
    if found is None:
        pytest.skip("git does not know this folder, so what belongs to the repository is not known")
    return found


def test_the_top_level_holds_what_the_design_names(files: list[Path]) -> None:
    assert {path.parts[0] for path in files} <= set(TOP.split())


def test_every_folder_of_nvf_is_a_room(files: list[Path]) -> None:
    assert {path.parts[1] for path in files if path.parts[0] == "nvf" and len(path.parts) > 2} <= set(ROOMS.split())


def test_no_path_of_one_machine(files: list[Path]) -> None:
    found = []
    for path in files:
        text = (ROOT / path).read_bytes().decode("utf-8", errors="ignore")
        found += [f"{path}: {line.strip()}" for line in text.splitlines() if ONE_MACHINE.search(line)]
    assert not found


def test_no_json_holds_what_json_has_not(files: list[Path]) -> None:
    """NaN and Infinity are no JSON: whoever writes them is stopped, and has to say what a missing number is."""
    found = []
    hashed = Path("nvf/tasks/qdrant.py")  # what a server holds is only hashed there, and refused later where not finite
    for path in (path for path in files if path.parts[0] == "nvf" and path.suffix == ".py" and path != hashed):
        for node in ast.walk(ast.parse((ROOT / path).read_bytes())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("json.dumps", "json.dump"):
                strict = {each.arg: ast.unparse(each.value) for each in node.keywords}.get("allow_nan") == "False"
                found += [] if strict else [f"{path}:{node.lineno}"]
    assert not found


def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == nvf.__version__


def test_help_is_quick_to_import() -> None:
    spec = importlib.util.find_spec("nvf.cli")
    if spec is None or spec.origin is None:
        pytest.skip("nvf.cli is not there yet")
    code = (
        "import sys; from nvf.cli import main; sys.argv = ['nvf', '--help']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1].strip() == "loaded:"
    assert "sweep" in done.stdout
