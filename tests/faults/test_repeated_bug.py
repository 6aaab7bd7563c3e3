"""A bug in a system: a copy of nvf that has one, swept for real, and the sweep gone on with once it is mended."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import nvf
from tests.e2e.home import Home

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.timeout(300)]


@pytest.fixture
def buggy(tmp_path: Path) -> Path:
    """A folder with a copy of nvf in which training a linear head fails."""
    copy = tmp_path / "buggy"
    shutil.copytree(Path(nvf.__file__).parent, copy / "nvf", ignore=shutil.ignore_patterns("__pycache__"))
    source = copy / "nvf" / "systems" / "linear.py"
    text, line = source.read_text(), "    def losses(self, batch: PairBatch) -> dict[str, Tensor]:\n"
    assert line in text
    source.write_text(text.replace(line, line + "        [][len(batch)]\n"))
    return copy


def test_a_sweep_stops_at_a_bug_and_goes_on_when_it_is_mended(tmp_path: Path, buggy: Path) -> None:
    home = Home(tmp_path, environment={"PYTHONPATH": str(buggy)})
    spec = home.spec(**{"{choice: [linear, soft_attention]}": "linear", "  linear.heads": "  heads"})
    code, _, err = home.run("sweep", spec)
    assert code == 1 and "Traceback" not in err
    assert "3 trials of linear failed the same way, and so would the next: IndexError: list index out of range" in err
    state = home.state("small")
    assert [trial.outcome for trial in state.trials.values()] == ["failed"] * 3
    assert (state.status, state.reason) == ("paused", "failing")

    mended = Home(tmp_path)
    code, _, err = mended.run("resume", "small", "--trials", "5")
    assert code == 1 and "the code of nvf: systems/linear.py" in err
    code, out, err = mended.run("resume", "small", "--trials", "5", "--accept-changes")
    assert code == 0, err
    assert [trial.outcome for trial in mended.state("small").trials.values()][3:] != ["failed"] * 2
    assert "gone on with though it had changed: the code of nvf" in " ".join(out.split())
