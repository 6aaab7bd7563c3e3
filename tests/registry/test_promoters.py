"""Eight real processes promote at once: one wins, seven are told, whatever database is behind MLflow."""

from __future__ import annotations

import getpass
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nvf import paths
from nvf.journal.events import read
from nvf.registry.rollback import moves
from nvf.tracking import server
from tests.postgres import postgres
from tests.tracking.servers import use_store

__all__ = ["postgres"]

pytestmark = pytest.mark.slow
PROMOTERS = 8


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is behind MLflow: the test's own database, or one of PostgreSQL."""
    return use_store(request, monkeypatch)


@pytest.fixture
def promoters(store: str, run_sweep: Callable[..., Path], tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Eight processes that promote trial 0 of the sweep `small`, and once more."""
    run_sweep(rates=(0.001,), epochs=1)
    command = [sys.executable, str(Path(__file__).with_name("promoter.py")), "small", "0", str(tmp_path)]
    with (tmp_path / "stderr").open("w") as log:
        started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) for _ in range(PROMOTERS)]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_one_wins_and_seven_are_told(promoters: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    """Once where there is no model yet, and once where there is a champion."""
    winners: list[int] = []
    for turn in (1, 2):
        while len([*tmp_path.glob(f"looked-{turn}-*")]) < PROMOTERS:
            assert all(process.poll() is None for process in promoters), (tmp_path / "stderr").read_text()
            time.sleep(0.05)
        (tmp_path / f"go-{turn}").touch()
        told: list[dict[str, Any]] = [json.loads(process.stdout.readline()) for process in promoters if process.stdout]
        won = [each["version"] for each in told if "version" in each]
        assert len(won) == 1, told
        (winner,) = won
        lost = [each for each in told if "error" in each]
        assert len(lost) == PROMOTERS - 1 and {each["error"] for each in lost} == {"PromotionLost"}, told
        who = rf"{getpass.getuser()}@"
        assert all(f"made it point to version {winner};" in each["text"] and who in each["text"] for each in lost)
        winners.append(winner)

        client = server.client()
        history = moves("small")
        assert [(move.number, move.before, move.after) for move in history] == [
            (number, before, after)
            for number, (before, after) in enumerate(zip([None, *winners], winners, strict=False), 1)
        ]
        assert int(client.get_model_version_by_alias("small", "champion").version) == winner
        left = {int(found.version) for found in client.search_model_versions("name='small'")}
        assert left == set(winners), "the losers' versions are gone"
        assert [each.name for each in client.search_registered_models()] == ["small"], "no claim is left"
        promoted = [event.version for event in read(paths.sweep("small")) if event.kind == "promoted"]
        assert promoted == winners
    assert "Traceback" not in (tmp_path / "stderr").read_text()
