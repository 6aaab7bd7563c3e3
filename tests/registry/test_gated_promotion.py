"""A confirmed sweep is promoted through its gates: what they refuse leaves nothing in the registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nvf.errors import GateRefused, UsageError
from nvf.journal.events import Journal, read
from nvf.journal.replay import replay
from nvf.registry.promote import promote
from nvf.registry.rollback import moves
from nvf.tracking import server

RunSweep = Callable[..., Path]


def confirmed(folder: Path, differences: dict[int, float]) -> None:
    """Journal a confirmation in which each of these trials lies so far above raw; the later is better on dev."""
    state, rows = replay(read(folder)), []
    for number, difference in differences.items():
        trial = state.trials[number]
        record = trial.records[-1]
        line = {"queries": 50, "difference": difference, "low": difference - 0.01, "high": difference + 0.01, "p": 0.01}
        view = {"nDCG@10": 0.5, "R@5": 0.5}
        row: dict[str, Any] = {
            "trial": number,
            "system": trial.system,
            "dev": {"mean": 0.5 + number / 10},
            "test": {"all": view, "clean": view, "cold": view},
            "against": {"raw": {**line, "all": line, "clean": line, "cold": line}},
            "latency_ms_p95": 1.0,
            "champion": {"record": {**record, "diagnoses": []}, "checkpoint": trial.checkpoints[record["epoch"]]},
        }
        rows.append(row)
    result = {"compared": "nDCG@10", "opened": 1, "finalists": rows, "leaks": [], "floors": {"raw": {"all": view}}}
    journal, _ = Journal.open(folder)
    with journal:
        journal.append("confirmation_started", confirmation=1, finalists=list(differences), seeds=1, clock={})
        journal.append("confirmed", confirmation=1, result=result)


def test_the_finalist_that_is_best_on_dev_passes_and_is_not_called_unconfirmed(run_sweep: RunSweep) -> None:
    confirmed(run_sweep(), {0: 0.2, 1: 0.1})
    done = promote("small")
    assert (done.trial, done.version) == (1, 1), "test chooses nothing"
    assert {verdict.outcome for verdict in done.gates} == {"passes"} and done.test is not None
    assert not any("not confirmed" in line for line in done.cautions)
    (first,) = moves("small")
    assert (first.before, first.after, first.detail["sweep"], first.detail["trial"]) == (None, 1, "small", 1)
    assert first.detail["figures"]["test clean nDCG@10"] == 0.5


def test_a_refusal_leaves_nothing_and_force_is_written_down(run_sweep: RunSweep) -> None:
    folder = run_sweep()
    confirmed(folder, {0: -0.2})
    with pytest.raises(GateRefused, match="trial 0000 of small is not promoted: worse: -0.2000"):
        promote("small")
    assert list(server.client().search_registered_models()) == []
    with pytest.raises(UsageError, match="--force needs a reason"):
        promote("small", force=" ")
    assert promote("small", force="a demo").forced == "a demo"
    assert moves("small")[0].forced == read(folder)[-1]["forced"] == "a demo"


def test_a_trial_beside_the_finalists_is_refused(run_sweep: RunSweep) -> None:
    confirmed(run_sweep(), {0: 0.2})
    with pytest.raises(GateRefused, match="never confirmed on test; nvf confirm small --trial 1"):
        promote("small", trial=1)


def test_a_worse_one_does_not_replace_the_champion(run_sweep: RunSweep) -> None:
    """At this rate trial 1 stays where it began, far under trial 0."""
    folder = run_sweep(rates=(0.02, 1e-6))
    confirmed(folder, {0: 0.2})
    assert promote("small").trial == 0
    confirmed(folder, {1: 0.2})
    with pytest.raises(GateRefused, match=r"worse: -0\.\d+ ± .* against version 1 by nDCG@10"):
        promote("small")
    assert len(moves("small")) == 1
