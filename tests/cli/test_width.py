"""No command writes beyond the terminal, and none cuts a trial's number, a name or a figure."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from nvf import paths
from nvf.cli import verdicts
from nvf.cli.live import packed
from nvf.cli.render import console
from nvf.journal import events
from nvf.journal.events import Journal
from nvf.journal.replay import replay
from nvf.journal.underway import Underway
from nvf.registry.gates import Verdict, check
from nvf.spec.form import Gates
from tests.cli.conftest import Ran
from tests.cli.test_read import SPEC
from tests.cli.test_verdicts import figures, line, over_draws, result
from tests.journal.written import confirmation, write
from tests.tracking import journals

WIDTHS = (80, 160)
LONG = "a-sweep-with-a-name-that-is-as-long-as-a-name-can-be-0123456789ab"[:64]
PARETO, LATENCY, NO_COLD = "pareto", "latency", "no-cold"
SYSTEMS = ("soft_attention", "context_mean", "two_tower", "lvm_rerank")
PARAMETER = "reranker.cross_attention.second_stage.normalisation.temperature"
PATH = "/a/folder/with/a/very/long/name/" + "deep/" * 12 + "model.safetensors"
ERROR = f"RuntimeError: the file {PATH} cannot be read, for its header says one thing and its length says another"
DIAGNOSES = ("buries_new_documents", "harmful_reranker", "embedding_collapse", "loss_misleads")


def journal(name: str, objectives: tuple[str, ...], views: tuple[str, ...] = ("all", "clean", "cold")) -> None:
    """Write a sweep of 12 trials, numbered up to 1234, of which some fail, are pruned, have no figure, are running."""
    with Journal.create(paths.sweep(name)) as to:
        journals.start(to, name, objectives, search={"trials": 5000}, budget={"epochs": 100, "time": None})
        floors = {each: _figures(0.4 + place / 100, views) for place, each in enumerate(("raw", "bm25", "hybrid"))}
        write(to, "floors", split="dev", floors=floors, ceilings={"oracle": _figures(1.0, views)})
        for place in range(12):
            _trial(to, 1223 + place, place, views)
        write(to, "sweep_ended", sync=True, reason="trials", clock={})


def _figures(value: float, views: tuple[str, ...]) -> dict[str, dict[str, float]]:
    return {view: {"nDCG@10": value + at / 1000, "R@5": value + 0.1} for at, view in enumerate(views)}


def _trial(to: Journal, trial: int, place: int, views: tuple[str, ...]) -> None:
    chosen = {PARAMETER: 0.0123456 * (place + 1), "heads": "separate", "lr": 1e-5, "stage_one.warm_start": PATH}
    write(
        to,
        "trial_started",
        trial=trial,
        system=SYSTEMS[place % 4],
        params=chosen,
        chosen=chosen,
        distributions={},
        seed=7,
        epochs=100,
    )
    outcome = ("complete", "pruned", "failed", "infeasible", None, "stopped")[place % 6]
    for epoch in range(2 if place % 5 else 1):
        of = {} if place == 2 else _figures(0.3 + place / 50 + epoch / 100, views)
        found = [{"name": each, "figure": 0.1, "threshold": 0.2, "text": "x"} for each in DIAGNOSES[: place % 5]]
        clock = {"seconds": 1.5, "latency_ms_p50": 1234.5678, "latency_ms_p95": 12345.6789}
        record = {"epoch": epoch, "losses": {}, "figures": of, "diagnoses": found, "clock": clock}
        write(
            to,
            "record",
            trial=trial,
            record=record,
            checkpoint={"folder": "x", "digest": "d"},
            decision="continue",
            attrs={},
        )
    if outcome is not None:
        error = ERROR if outcome in ("failed", "infeasible") else None
        write(to, "trial_ended", sync=True, trial=trial, outcome=outcome, error=error, attrs={})


@pytest.fixture
def awkward(mlruns: Path, tmp_path: Path) -> Path:
    """Sweeps of every kind; returns a sweep file."""
    journal(LONG, ("nDCG@10",))
    journal(PARETO, ("clean nDCG@10", "cold R@5", "latency_ms_p95"))
    journal(LATENCY, ("latency_ms_p50",))
    journal(NO_COLD, ("nDCG@10",), ("all", "clean"))
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


def overlong(text: str, width: int) -> list[str]:
    """The lines beyond `width`; one word (a path, a link) or one command may be, for it is copied."""
    beyond = [each for each in text.splitlines() if cell_len(each) > width]
    return [each for each in beyond if len(each.split()) > 1 and not re.fullmatch(r"\s*nvf .*", each)]


READING: list[tuple[str, ...]] = [
    ("list",),
    ("status",),
    *(("status", name) for name in (LONG, PARETO)),
    *(("leaderboard", name) for name in (LONG, PARETO, LATENCY, NO_COLD)),
    ("leaderboard", PARETO, "--top", "3"),
    ("leaderboard", "no-such-sweep-as-this-one"),
    ("floors", "SPEC"),
    ("check", "SPEC"),
    ("systems",),
    ("tasks",),
]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_reading_command_writes_beyond_the_terminal(
    nvf: Any, awkward: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for command in READING:
        ran: Ran = nvf(*(awkward if each == "SPEC" else each for each in command))
        assert not overlong(ran.out + ran.err, width), command
        assert "…" not in ran.out + ran.err


@pytest.mark.parametrize("width", (*WIDTHS, None))
@pytest.mark.parametrize("name", [LONG, PARETO, LATENCY, NO_COLD])
def test_a_leaderboard_cuts_nothing(
    nvf: Any, awkward: Path, monkeypatch: pytest.MonkeyPatch, name: str, width: int | None
) -> None:
    if width:
        monkeypatch.setenv("COLUMNS", str(width))
    shown = nvf("leaderboard", name).out
    rows = {row[0]: row for row in map(str.split, shown.splitlines()) if row and re.fullmatch(r"1[0-9]{3}", row[0])}
    state = replay(events.read(paths.sweep(name)))
    assert sorted(rows) == [str(number) for number in sorted(state.trials)]
    for number, trial in state.trials.items():
        row = rows[str(number)]
        assert row[1:3] == [trial.system, trial.outcome or "running"]
        best = trial.best(state.objectives[0])
        figures = {} if best is None else best.figures
        assert {f"{by['nDCG@10']:.4f}" for by in figures.values()} <= set(row)
    for floor in ("raw", "bm25", "hybrid", "oracle"):
        assert re.search(rf"^(floor|ceiling) +{floor} +[ .0-9]+", shown, re.M)
    whole = PARAMETER in shown and PATH in shown
    assert whole, "settings stand in the table, or below it"
    assert ("left out at" in shown) == (width is not None)


def test_wide_shows_what_was_left_out(nvf: Any, awkward: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    narrow = nvf("leaderboard", PARETO).out
    left = re.search(r"left out at 80 columns: (.*); --wide", " ".join(narrow.split()))
    assert left is not None and "latency_ms_p95" in left[1] and "setting" in left[1]
    head = " ".join(nvf("leaderboard", PARETO, "--wide").out.splitlines()[1:3])
    assert "diagnoses" in head and "setting" in head and "left out" not in nvf("leaderboard", PARETO, "--wide").out
    only = nvf("leaderboard", PARETO, "--columns", f"trial,{PARAMETER}").out.splitlines()
    assert only[1].split() == ["trial", PARAMETER] and only[2].split()[0].isdigit()
    assert nvf("leaderboard", PARETO, "--columns", "trail").code == 2


def test_a_real_terminal_is_what_counts(awkward: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"} | {"TERM": "xterm"}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    code = "import sys; sys.argv = ['nvf', *sys.argv[1:]]; from nvf.cli import main; main()"
    run = [sys.executable, "-c", code, "leaderboard", LONG]
    with subprocess.Popen(run, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r", "")
    assert process.returncode == 0 and "left out at 80 columns" in text
    assert not overlong(text, 80)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


@pytest.mark.parametrize("width", WIDTHS)
def test_a_confirmation_fits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    found = result()
    floors = ("raw", "bm25", "hybrid")
    row = found["finalists"][0]
    row |= {"system": "soft_attention", "diagnoses": list(DIAGNOSES), "params": {PARAMETER: 0.0123456, "warm": PATH}}
    row["against"] = {name: {view: line(-0.0123, -0.2, 0.1) for view in ("all", "clean", "cold")} for name in floors}
    row["against_champion"] = {view: line(0.1, 0.05, 0.2) for view in ("all", "clean")}
    found |= {
        "sweep": LONG,
        "finalists": [{**row, "trial": trial} for trial in (1234, 1235, 1236)],
        "floors": {name: figures(0.32, 0.32, 0.12) for name in floors},
        "withheld_floors": {name: over_draws(0.32, 0.12, 0.0) for name in floors},
        "champion": {"name": "champion (version 12)", "figures": figures(0.4, 0.4, 0.4)},
    }
    by_task = {"figures": [figures(0.6, 0.6, 0.6)] * 3, "average": figures(0.45, 0.45, 0.45)}
    found["evaluate"] = {
        "tasks": ["beir/scifact", "beir/nfcorpus", "beir/another-corpus-with-a-name"],
        "leaks": [],
        "floors": {name: by_task for name in floors},
        "finalists": [{"trial": 1234, **by_task, "against": {"raw": line(0.0, -0.01, 0.01)}}],
    }
    out = console()
    for part in verdicts.confirmation(confirmation(**found), out.width):
        out.print(part)
    shown = capsys.readouterr().out
    assert not overlong(shown, width)
    assert all(f"{number}" in shown for number in (1234, 1235, 1236)) and PARAMETER in shown and PATH in shown
    assert shown.count("-0.0123") == 27 and shown.count("[-0.2000, +0.1000]") == 27


@pytest.mark.parametrize("width", WIDTHS)
def test_a_refusal_folds_between_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    said = (
        "undecided: -0.0235 [-0.0712, +0.0242] against `bm25` on clean queries by nDCG@10 "
        "(192 queries; about 1,616 would decide (80 % power))"
    )
    with pytest.raises(Exception, match="is not promoted") as refused:
        check([Verdict("floors", "worse", said)] * 3, Gates(), f"trial 1234 of {LONG}")
    console(stderr=True).print(f"error: {refused.value}")
    shown = capsys.readouterr().err
    assert not overlong(shown, width)
    assert "trial 1234" in " ".join(shown.split()) and shown.count("0.0242") == 3


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [LONG, PARETO, LATENCY, NO_COLD])
def test_the_live_lines_fit(awkward: Path, name: str, width: int) -> None:
    state = replay(events.read(paths.sweep(name)))
    shown = packed(Underway().parts(state, 0) or [], width)
    assert not overlong(shown, width)
    assert "10/5000 trials" in shown and re.search(r"best [0-9.]+ \(trial 12[0-9]{2} [a-z_]+\)", shown)


@pytest.mark.parametrize(
    "command",
    [
        "MLFLOW_TRACKING_URI='sqlite+pysqlite:////exp #1/mlflow.db' /v/mlflow experiments restore --experiment-id 1",
        "nvf confirm small --seeds 3 --trial 12 --trial 7 --trial 1234",
        "--set 'task.split={train: 0.6, dev: 0.2}'; nvf floors measures the task as it is",
    ],
)
def test_what_is_copied_stays_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    console().print(f"error: the MLflow experiment 'nvf' was deleted, or it's another matter; mend it with: {command}")
    shown = capsys.readouterr().out
    assert all(part in shown for part in command.split("; ")) and shown.count("\n") > 1
