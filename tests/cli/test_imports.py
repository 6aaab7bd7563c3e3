"""What each command imports: the libraries that take seconds are loaded by those alone that need them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nvf.systems.catalogue import _own, catalogue
from tests.contracts.test_task_contract import write_beir
from tests.tracking import journals

HEAVY = ("torch", "ray", "optuna", "mlflow", "sentence_transformers", "transformers", "pandas", "scipy", "pyarrow")
CODE = """
import sys
from nvf.cli import main
sys.argv = ["nvf", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    print(end.code or 0, *sorted(set(sys.modules) & set({heavy!r})), file=sys.stderr)
"""
NOTHING = {*HEAVY, "numpy"}
"""What a command that reads journals does not need."""


def loaded(*arguments: object) -> tuple[int, set[str]]:
    """Run `nvf ARGS...` in a process of its own; return exit code and what of `NOTHING` and pydantic it imported."""
    code = CODE.format(heavy=sorted({*NOTHING, "pydantic"}))
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    ended, *names = done.stderr.splitlines()[-1].split()
    return int(ended), set(names)


def test_help_imports_no_models(mlruns: Path) -> None:
    assert loaded("--help") == (0, set())


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("--help", 0),
        ("--version", 0),
        ("sweeep", 2),
        ("leaderboard nothing", 2),
        ("resume nothing", 2),
        ("confirm nothing", 2),
        ("promote nothing", 2),
        ("list", 0),
        ("list --json", 0),
        ("status small", 0),
        ("leaderboard small", 0),
        ("leaderboard small --json", 0),
        ("systems --json", 0),
        ("systems linear", 0),
    ],
)
def test_reading_imports_nothing_heavy(mlruns: Path, command: str, code: int) -> None:
    journals.sweep(mlruns / "sweeps" / "small", name="small")
    _kept(mlruns)
    ended, names = loaded(*command.split())
    assert (ended, names - {"pydantic"}) == (code, set())


def test_a_file_is_checked_without_torch(mlruns: Path, tmp_path: Path) -> None:
    _kept(mlruns)
    write_beir(tmp_path / "beir")
    spec = f"name: small\ntask: {{source: beir, path: {tmp_path / 'beir'}}}\nsystem: jepa\nsearch: {{trials: 2}}\n"
    (tmp_path / "spec.yaml").write_text(spec)
    ended, names = loaded("check", tmp_path / "spec.yaml")
    assert (ended, names) == (0, {"optuna", "numpy", "pydantic"})


def _kept(mlruns: Path) -> None:
    """Keep the catalogue of systems, as the first command does that asks for it."""
    mlruns.mkdir(exist_ok=True)
    _own.cache_clear()
    catalogue()
