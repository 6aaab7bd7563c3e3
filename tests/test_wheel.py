"""nvf as somebody installs it: a wheel in an environment of its own, far from this repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHONS = ("python3.11", "python3.12")
PIP = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, out = tmp_path_factory.mktemp("source") / "nvf", tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "nvf", source / "nvf", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", out, source], check=True)
    (built,) = out.glob("*.whl")
    return built


def installed(wheel: Path, python: str, folder: Path) -> Callable[..., str]:
    """Install `wheel` into an environment that has what nvf needs, from here, but no nvf; return how to run it."""
    packages = sysconfig.get_path("purelib")
    if subprocess.run([python, "-c", "import sys; sys.path.append(sys.argv[1]); import ray, torch, mlflow", packages],
                      capture_output=True).returncode:  # fmt: skip
        pytest.skip(f"{python} does not run, or not with the packages that are installed here")
    subprocess.run([python, "-m", "venv", "--without-pip", folder / "env"], check=True)
    bin = folder / "env" / "bin"
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    (site / "needed.pth").write_text(f"{packages}\n")  # the .pth files there, which bring this checkout, are not read
    subprocess.run([*PIP, "--python", bin / "python", "install", "--no-deps", "--no-index", wheel], check=True)
    away = folder / "away"
    away.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NVF_", "PYTHON"))}
    environment = {**kept, "HOME": str(away), "PATH": f"{bin}:{os.environ['PATH']}", "COLUMNS": "200"}

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=away, env=environment, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("python", "-c", "import nvf; print(nvf.__file__)").startswith(str(site)), "not this checkout"
    return run


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "nvf").rglob("*") if path.is_file()}
    there = {name for name in there if "__pycache__" not in name}
    with zipfile.ZipFile(wheel) as opened:
        assert {name for name in opened.namelist() if name.startswith("nvf/")} == there


@pytest.mark.slow
@pytest.mark.parametrize("python", [name for name in PYTHONS if shutil.which(name)] or [sys.executable])
def test_a_first_sweep_far_from_the_repository(wheel: Path, tmp_path: Path, python: str) -> None:
    run = installed(wheel, python, tmp_path)
    rows = (f"how do I {verb} a {noun}?,To {verb} the {noun} call {verb}_{noun}." for verb in VERBS for noun in NOUNS)
    (tmp_path / "away" / "faq.csv").write_text("\n".join(["question,answer", *rows]))
    assert "faq.yaml: valid" in run("nvf", "init", "faq.csv")
    searched = run("nvf", "sweep", "faq.yaml", "--trials", "3", "--set", "budget.epochs=2")
    assert "floor  raw" in searched
    assert "floor  bm25" in run("nvf", "leaderboard", "faq")
    run("nvf", "promote", "faq", "--force", "the wheel's own test")
    assert "To sort the list" in run("nvf", "search", "how do I sort a list?", "--top", "1")
    assert "faq" in run("nvf", "card", "faq")


VERBS = ("sort", "copy", "join", "split", "print", "count", "read", "write", "open", "close")
NOUNS = ("list", "file", "table", "tree", "graph", "string", "number", "folder", "key", "window")
