"""`--json`: every command that tells something has it, it is JSON, and it holds numbers, not texts for people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nvf.cli import app
from tests.tracking import journals

WITHOUT = {"ui", "submit", "stop", "restore"}
"""They do something and tell nothing that a program would read."""
FOR_PEOPLE = re.compile(r"-?[\d.]+|\d+ ?/ ?\d+|[\d.]+ ?(%|s|min|GiB|trials)|nan|-?inf|-", re.IGNORECASE)
"""Texts that would be numbers, or null, for a program."""
SPEC = """\
name: tiny
task: {source: synthetic, documents: 60, dim: 8, train: 100, dev: 20, test: 30}
system: linear
space: {lr: {log: [0.001, 0.01]}}
search: {trials: 3}
budget: {epochs: 2, time: 5m}
"""


def strictly(text: str) -> Any:
    """Return what JSON holds; NaN and Infinity, which Python would take, are refused."""

    def refused(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refused)


def texts(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in a value, with where it stands."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from texts(inner, f"{at}.{name}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from texts(inner, f"{at}[{place}]")
    elif isinstance(value, str):
        yield at, value


def test_every_command_that_tells_something_has_it() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.callback.__name__
        assert ("json" in command.callback.__annotations__) == (name not in WITHOUT), name


@pytest.mark.parametrize(
    "command",
    ["list", "status", "status small", "leaderboard small", "systems", "systems linear", "tasks", "tasks beir"]
    + ["check SPEC", "floors SPEC", "sync small", "doctor"],
)
def test_it_holds_numbers(nvf: Any, mlruns: Path, tmp_path: Path, command: str) -> None:
    journals.sweep(mlruns / "sweeps" / "small", name="small")
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    ran = nvf(*(spec if word == "SPEC" else word for word in command.split()), "--json")
    assert ran.code == 0, ran.err
    read = list(texts(strictly(ran.out)))
    found = [(at, text) for at, text in read if FOR_PEOPLE.fullmatch(text)]
    if command == "doctor":  # its versions are names
        found = [(at, text) for at, text in found if not re.fullmatch(r"[\d.]+", text)]
    assert read and not found


def test_how_far_a_sweep_is(nvf: Any, mlruns: Path) -> None:
    journals.sweep(mlruns / "sweeps" / "small", name="small")
    with journals.Journal.create(mlruns / "sweeps" / "cut-off") as journal:
        journals.start(journal, "cut-off")
        journals.start_trial(journal, 0)
        journals.record(journal, 0, 1, 0.5)
    died, ended = strictly(nvf("list", "--json").out)
    assert (died["status"], died["resume"], died["finished"], died["open"]) == ("died", "nvf resume cut-off", 0, 1)
    assert (ended["status"], ended["reason"], ended["resume"]) == ("ended", "trials", None)
    assert (ended["finished"], ended["trials"], ended["complete"]) == (4, 4, 2)
    assert ended["best"] == pytest.approx(0.48)


def test_a_damaged_journal_hides_no_other(nvf: Any, mlruns: Path) -> None:
    for name in ("small", "torn"):
        journals.sweep(mlruns / "sweeps" / name, name=name)
    path = mlruns / "sweeps" / "torn" / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b"record", b"rekord", 1))
    whole, torn = strictly(nvf("list", "--json").out)
    assert (whole["sweep"], whole["status"], whole["finished"]) == ("small", "ended", 4)
    assert (torn["sweep"], torn["status"], torn["finished"], torn["best"]) == ("torn", "damaged", None, None)
    assert f"{path}, line " in torn["reason"]
    told = nvf("list")
    assert told.code == 0 and "small  ended (trials)" in told.out
    assert f"damaged: torn: {path}, line" in " ".join(told.out.split())
    assert nvf("status", "torn").code == 1


def test_a_sweep_that_has_just_begun_is_not_damaged(nvf: Any, mlruns: Path) -> None:
    """Its driver holds the journal, and has written nothing into it yet."""
    journals.sweep(mlruns / "sweeps" / "whole", name="whole")
    with journals.Journal.create(mlruns / "sweeps" / "fresh"):
        rows = strictly(nvf("list", "--json").out)
        assert [(row["sweep"], row["status"], row["reason"]) for row in rows] == [
            ("fresh", "beginning", None),
            ("whole", "ended", "trials"),
        ]
        told = nvf("status", "fresh")
        assert (told.code, told.err) == (0, "") and "fresh  beginning" in told.out
        assert "damaged" not in nvf("status").out and "fresh" not in nvf("doctor").out
        told = nvf("leaderboard", "fresh")
        assert told.code == 1 and "sweep 'fresh' is just beginning: look again in a moment" in told.err
    assert "this sweep died before it began" in nvf("status", "fresh").err


def test_what_a_sweep_will_cost(nvf: Any, mlruns: Path, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    (told,) = strictly(nvf("check", spec, "--json").out)
    assert told["cost"] == {"epochs": 6, "epochs_per_trial": 2, "time": 300, "seconds_per_epoch": None}
    assert (told["resources"], told["trials"], told["task"]["documents"]) == ({"cpu": 1, "gpu": 0}, 3, 60)
    assert "at most 3 trials x 2 epochs = 6 epochs, ended after 5 min" in nvf("check", spec).out
