"""Confirmations by the installed command, interrupted and killed."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from nvf.journal import events, replay

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def replicates(state: replay.SweepState, home: Any) -> int:
    return [event.kind for event in events.read(home.sweep(state.name))].count("replicate")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_confirmation_goes_on_after_its_death(home: Any, number: signal.Signals) -> None:
    code, _, err = home.run("sweep", home.spec(slots=2), "--trials", 3)
    assert code == 0, err
    arguments = ("confirm", "small", "--top", 2, "--seeds", 3)
    process = home.start(*arguments)
    home.interrupt(process, "small", lambda state: replicates(state, home) >= 2, number)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    before = [event.kind for event in events.read(home.sweep("small"))]
    assert 2 <= before.count("replicate") < 12 and "test_opened" not in before

    code, out, err = home.run(*arguments, "--json")
    assert code == 0, err
    assert f"going on, {before.count('replicate')} trainings are in" in err
    result = json.loads(out)
    after = [event.kind for event in events.read(home.sweep("small"))]
    assert after.count("replicate") == 12 and after.count("test_opened") == 1 and result["opened"] == 1
    assert [row["seeds"] for row in result["finalists"]] == [3, 3]
    assert result["finalists"][0]["against"]["raw"]["low"] > 0, "the hidden rotation can be learned"
