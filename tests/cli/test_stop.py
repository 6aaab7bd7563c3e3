"""nvf stop: it ends what holds the journal, and nobody else."""

from __future__ import annotations

import json
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nvf import paths
from nvf.cli import main
from nvf.journal import owner
from nvf.journal.events import Journal
from tests.journal.written import write

HOLD = """
import sys, time
from pathlib import Path
from nvf.journal.events import Journal
journal, _ = Journal.open(Path(sys.argv[1]), sys.argv[2])
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(mlruns: Path) -> Path:
    folder = paths.sweep("small")
    with Journal.create(folder) as journal:
        write(journal, "sweep_started", clock={"host": "elsewhere", "pid": 1})
    return folder


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", *command], stdout=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout is not None
            run.stdout.readline()
            yield run
        finally:
            run.kill()


def stop(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["nvf", "stop", "small"])
        main()
    said = capsys.readouterr()
    return int(str(ended.value.code)), " ".join((said.out + said.err).split())


@pytest.mark.parametrize(("work", "goes_on"), [("sweep", "nvf resume small"), ("confirmation", "nvf confirm small")])
def test_who_holds_the_journal_is_asked(
    folder: Path, capsys: pytest.CaptureFixture[str], work: str, goes_on: str
) -> None:
    with process(HOLD, str(folder), work) as holder:
        code, said = stop(capsys)
        assert (code, holder.wait(30)) == (0, -signal.SIGTERM)
    assert f"asked process {holder.pid} to end " in said and said.endswith(goes_on)
    assert ("confirmation" in said) == (work == "confirmation")


def test_a_confirmation_that_began_goes_on_with_its_own_options(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, _ = Journal.open(folder)
    with journal:
        write(journal, "confirmation_started", confirmation=1, finalists=[3, 1], seeds=7, model="small")
    with process(HOLD, str(folder), "confirmation"):
        assert stop(capsys)[1].endswith("go on with: nvf confirm small --seeds 7 --trial 3 --trial 1")


def test_a_promotion_is_left_to_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with process(HOLD, str(folder), "promotion") as holder:
        code, said = stop(capsys)
        assert code == 1 and "the promotion of sweep 'small'" in said and "ends by itself" in said
        assert holder.poll() is None


def test_a_process_that_took_over_the_number_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with process(HOLD, str(folder), "sweep"), process("import time; print(flush=True); time.sleep(60)") as other:
        signed = {"host": platform.node(), "pid": other.pid, "since": round(time.time()) - 3600}
        (folder / owner.FILE).write_text(json.dumps(signed))
        code, said = stop(capsys)
        assert code == 1 and f"not in process {other.pid}" in said and "fuser" in said
        assert other.poll() is None


def test_what_runs_elsewhere_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with process(HOLD, str(folder), "sweep"):
        (folder / owner.FILE).write_text(json.dumps({"host": "elsewhere", "pid": 7, "since": 0}))
        assert "runs on elsewhere: stop process 7 there" in stop(capsys)[1]
        (folder / owner.FILE).write_text('{"pid": "7"}')
        assert "does not say where" in stop(capsys)[1]


def test_nothing_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stop(capsys) == (1, "error: sweep 'small' is not running")
