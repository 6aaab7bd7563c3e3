"""What a resume may change of a sweep file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nvf.errors import SpecError, UsageError
from nvf.journal import events
from nvf.journal.replay import replay
from nvf.spec.form import Spec
from nvf.sweep import driver
from nvf.sweep.resuming import extended
from tests.journal.written import event
from tests.registry.conftest import SYNTHETIC, sweep

SPEC = Spec.model_validate({"name": "small", "task": {}, "system": "linear"})
STATE = replay([event("sweep_started")])


def test_trials_and_time_become_others() -> None:
    spec = extended(SPEC, STATE, 40, 90.0)
    assert (spec.search.trials, spec.budget.time, spec.budget.epochs) == (40, 90.0, SPEC.budget.epochs)
    assert extended(SPEC, STATE, None, None) == SPEC


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trials": 1_000_000, "time": None}, r"--trials 1000000: input should be less than or equal to 100000"),
        ({"trials": None, "time": 0.0}, r"--time 0.0: input should be greater than 0"),
    ],
)
def test_the_bounds_of_the_sweep_file_hold(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        extended(SPEC, STATE, **changes)


def test_a_system_that_does_not_apply_is_refused_before_anything_is_journaled(mlruns: Path) -> None:
    folder = sweep("small", SYNTHETIC, (0.02,), epochs=1, cold=0.2)
    text = f"name: small\ntask: {json.dumps(SYNTHETIC)}\nmeasure: nDCG@10\nsystem: {{choice: [linear, lvm]}}\n"
    (folder / "spec.yaml").write_text(text)
    before = events.read(folder)
    with pytest.raises(SpecError, match="'lvm' cannot search this task: each query of .* is one vector"):
        driver.resume("small", accept=True, watch=lambda state: None)
    assert events.read(folder) == before
