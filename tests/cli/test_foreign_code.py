"""A sweep's folder that somebody else made names classes: no command loads one that the user does not name too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nvf.journal.events import Journal
from tests.plugged import plugged
from tests.tracking import journals

REFUSED = "is code that a sweep file may name, and nothing else"
ASKS = "runs theirs:Run and theirs:Source, code that only its journal names"


@pytest.fixture
def canary(mlruns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the module writes that the journal names, could Python find it: and it can."""
    folder = mlruns / "sweeps" / "theirs"
    with Journal.create(folder) as journal:
        journals.start(journal, "theirs", system=["theirs:Run"], task={"source": "theirs:Source"})
        journals.start_trial(journal, 0, "theirs:Run")
        journals.record(journal, 0, 1, 0.5)
        journals.end_trial(journal, 0, "complete")
    (folder / "spec.yaml").write_text('name: theirs\ntask: {source: "theirs:Source"}\nsystem: "theirs:Run"\n')
    (tmp_path / "theirs.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "canary"


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("list", 0, "theirs"),
        ("status theirs", 0, "theirs"),
        ("leaderboard theirs", 0, "theirs:Run"),
        ("resume theirs", 1, ASKS),
        ("resume theirs --accept-changes", 1, ASKS),
        ("resume theirs --allow theirs:Run", 1, "runs theirs:Source, code that only"),
        ("confirm theirs", 1, REFUSED),
        ("promote theirs --trial 0 --force because", 1, ""),
        ("reproduce theirs/0", 1, REFUSED),
        ("systems theirs:Run", 2, REFUSED),
        ("tasks theirs:Source", 2, REFUSED),
    ],
)
def test_nothing_is_loaded(canary: Path, nvf: Any, command: str, code: int, said: str) -> None:
    ran = nvf(*command.split())
    assert ran.code == code and said in " ".join(f"{ran.out} {ran.err}".split())
    assert not canary.exists()


def test_what_the_user_names_is(canary: Path, nvf: Any) -> None:
    """The test before would see it."""
    with plugged(canary.parent):
        ran = nvf("resume", "theirs", "--allow", "theirs:Run", "--allow", "theirs:Source")
        assert ran.code == 2 and "the system 'theirs:Run' does not load: AttributeError" in " ".join(ran.err.split())
        assert canary.exists()
