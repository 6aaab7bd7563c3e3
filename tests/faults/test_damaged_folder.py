"""Every file of a sweep's folder truncated, emptied, flipped or gone: an error that says so, or the last good state."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from nvf.errors import NvfError
from nvf.journal import events, replay
from nvf.sweep import driver
from tests.e2e.home import Home
from tests.faults.equal import same
from tests.faults.long import LONG

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def paused(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A sweep interrupted in the middle of a trial that has a few epochs behind it."""
    home = Home(tmp_path_factory.mktemp("paused"))

    def midway(state: replay.SweepState) -> bool:
        return len(state.trials) > 8 and any(
            trial.outcome is None and trial.epoch == 2 for trial in state.trials.values()
        )

    home.interrupt(home.start("sweep", home.spec(**LONG)), "small", midway, signal.SIGINT)
    assert [trial.paused for trial in home.state("small").trials.values()].count(True) == 1
    return home


@pytest.fixture
def copy(paused: Home, tmp_path: Path) -> Home:
    shutil.copytree(paused.folder, tmp_path / "copy")
    return Home(tmp_path / "copy")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def gone(path: Path) -> None:
    path.unlink()


def refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> str:
    """Try to resume, in this process; return what was said. The journal must lose no more than a torn line."""
    monkeypatch.setenv("NVF_MLRUNS", str(home.folder / "mlruns"))
    path = home.sweep("small") / events.FILE
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(NvfError) as caught:
        driver.resume("small", watch=lambda state: None)
    if before is not None:
        after = path.read_bytes()
        assert before.startswith(after) and b"\n" not in before[len(after) :]
    return str(caught.value)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncated, "ends after .* events, before trial"),
        (emptied, "ends after 0 events, before trial 0"),
        (flipped, r"journal.jsonl, line \d+ .* is damaged"),
        (gone, "there is no sweep 'small'"),
    ],
)
def test_a_damaged_journal_is_refused(
    copy: Home, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None], said: str
) -> None:
    damage(copy.sweep("small") / events.FILE)
    found = refused(copy, monkeypatch)
    assert pytest.RaisesExc(NvfError, match=said).matches(NvfError(found)), found


def test_a_sweep_whose_journal_is_gone_is_not_started_over(copy: Home) -> None:
    (copy.sweep("small") / events.FILE).unlink()
    code, _, err = copy.run("sweep", copy.spec(**LONG))
    assert code == 2
    assert "journal.jsonl is gone" in err and "Traceback" not in err


@pytest.mark.parametrize("damage", [truncated, emptied, flipped])
def test_a_changed_sweep_file_is_refused_with_the_difference(
    copy: Home, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    damage(copy.sweep("small") / "spec.yaml")
    said = refused(copy, monkeypatch)
    assert "the sweep file:" in said and "\n  -" in said and "--accept-changes" in said


@pytest.mark.parametrize("damage", [truncated, flipped], ids=lambda damage: str(getattr(damage, "__name__", damage)))
def test_every_other_file_damaged_at_once_changes_nothing(
    copy: Home, undisturbed: Home, damage: Callable[[Path], None]
) -> None:
    """The last checkpoint of the interrupted trial, all that the trials before left, the owner's note, a torn line."""
    folder = copy.sweep("small")
    torn(folder / events.FILE)
    gone(folder / "spec.yaml")
    damage(folder / "owner.json")
    state = replay.replay(events.read(folder))
    (trial,) = [trial for trial in state.trials.values() if trial.outcome is None]
    for path in folder.glob("checkpoints/*/epoch-*/*"):
        if path.parent.parent.name != f"trial-{trial.number:04d}" or path.parent.name.endswith(f"{trial.epoch}"):
            damage(path)
    code, _, err = copy.run("resume", "small")
    assert code == 0, err
    same(copy, undisturbed)
    (again,) = [each for each in copy.state("small").trials.values() if each.number == trial.number]
    assert [each.fault for each in again.faults] == ["checkpoint_damaged"]


def test_a_change_that_is_accepted_is_gone_on_with_and_said_ever_after(copy: Home) -> None:
    path = copy.sweep("small") / "spec.yaml"
    path.write_text(path.read_text().replace("trials: 40", "trials: 12"))
    code, _, err = copy.run("resume", "small")
    assert code == 1 and "+search: {sampler: tpe, trials: 12, seed: 1}" in err
    code, out, err = copy.run("resume", "small", "--accept-changes")
    assert code == 0, err
    assert len(copy.state("small").trials) == 12
    assert "gone on with though it had changed: the sweep file" in out
    code, _, err = copy.run("resume", "small", "--trials", "13")
    assert code == 0, "what was accepted once is no change any more"
    path.write_text(path.read_text().replace("name: small", "name: small\nmeasure: R@5"))
    code, _, err = copy.run("resume", "small", "--accept-changes")
    assert code == 2 and "measure was" in err


def test_a_driver_that_died_right_after_its_first_line(home: Home, undisturbed: Home) -> None:
    journal = (undisturbed.sweep("small") / events.FILE).read_bytes()
    home.sweep("small").mkdir(parents=True)
    (home.sweep("small") / events.FILE).write_bytes(journal.splitlines(keepends=True)[0])
    code, _, err = home.run("resume", "small")
    assert code == 0, err
    assert home.state("small").floors == undisturbed.state("small").floors
    same(home, undisturbed)
