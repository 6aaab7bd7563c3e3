"""Completion as a shell asks for it: in bash, with the function that `nvf --show-completion` prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tracking import journals

NVF = Path(sys.executable).with_name("nvf")
pytestmark = pytest.mark.skipif(
    not (NVF.exists() and shutil.which("bash")), reason="needs bash, and nvf installed beside this Python"
)


def completed(*words: str) -> list[str]:
    """Return what bash offers for the last of `words`."""
    script = (
        'eval "$(nvf --show-completion bash)"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_nvf_completion nvf; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environment = {
        **os.environ,
        "PATH": f"{NVF.parent}:{os.environ['PATH']}",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",  # the shell is named: this is no login
    }
    done = subprocess.run(
        ["bash", "-c", script, "bash", *words], env=environment, capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return done.stdout.split()


def test_commands_sweeps_systems_and_sources(mlruns: Path) -> None:
    for name in ("first", "second"):
        journals.sweep(mlruns / "sweeps" / name, trials=1, name=name)
    assert completed("nvf", "lead") == ["leaderboard"]
    assert completed("nvf", "status", "") == ["first", "second"]
    assert completed("nvf", "confirm", "se") == ["second"]
    assert completed("nvf", "systems", "two_") == ["two_stage", "two_tower"]
    assert completed("nvf", "tasks", "py") == ["pydocs"]
    assert completed("nvf", "history", "x") == [], "no registry yet, and none is made"
    assert sorted(path.name for path in mlruns.iterdir()) == ["sweeps"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_every_shell(shell: str) -> None:
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run([NVF, "--show-completion", shell], env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "_NVF_COMPLETE" in done.stdout
