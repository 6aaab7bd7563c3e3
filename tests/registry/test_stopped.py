"""nvf stop ends a live confirmation, and the command that it names goes on with it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nvf.journal.events import read
from nvf.journal.replay import Confirmation, replay
from tests.e2e.home import Home

RunSweep = Callable[..., Path]
SEEDS = 8


@pytest.mark.slow
@pytest.mark.ray
def test_a_confirmation_that_is_stopped_goes_on_by_the_command_that_is_named(run_sweep: RunSweep, mlruns: Path) -> None:
    folder, home = run_sweep(rates=(0.001, 0.02), epochs=20), Home(mlruns.parent)

    def last() -> Confirmation | None:
        known = replay(read(folder)).confirmations
        return known[-1] if known else None

    process = home.start("confirm", "small", "--seeds", SEEDS, "--trial", 0, "--model", "other")
    deadline = time.monotonic() + 240
    while (found := last()) is None or len(found.replicates) < 2:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
    code, out, err = home.run("stop", "small")
    assert code == 0, err
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130 and "the same command goes on" in told

    command = f"nvf confirm small --seeds {SEEDS} --trial 0 --model other"
    assert out == (f"asked process {process.pid} to end the confirmation of sweep 'small'; go on with: {command}\n")
    assert command in home.run("leaderboard", "small")[1]
    stopped = last()
    assert stopped is not None and stopped.result is None and not stopped.opened
    code, _, told = home.run(*shlex.split(command)[1:])
    assert code == 0 and f"confirmation 1: going on, {len(stopped.replicates)} trainings are in" in told
    done = last()
    assert done is not None and done.result is not None and (done.number, done.result.model) == (1, "other")
    assert done.result.opened == 1 and done.result.seeds == SEEDS
    assert {part: done.replicates[part] for part in stopped.replicates} == stopped.replicates, "none twice"
