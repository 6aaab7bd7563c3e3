"""A node that runs out of memory: Ray kills the worker, and the trial goes on with half its batch."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.e2e.home import Home

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.timeout(300)]

GREEDY = """\
name: greedy
task: {source: synthetic, documents: 50000, dim: 16, map: rotation, train: 20000, dev: 50, test: 50}
system: linear
cold: 0
fixed: {batch_size: 10000}
space: {lr: {log: [0.001, 0.1]}}
search: {sampler: random, trials: 1, seed: 1}
budget: {epochs: 2}
"""
"""A step takes more than 6 GB: three times 10,000 queries by 50,000 documents."""


def test_half_the_batch_where_ray_kills_for_memory(tmp_path: Path) -> None:
    memory = psutil.virtual_memory()
    if memory.available < 10e9:
        pytest.skip("needs 10 GB of memory that nothing else uses")
    threshold = (memory.total - memory.available + 2.8e9) / memory.total
    limits = {"RAY_memory_usage_threshold": str(threshold), "RAY_memory_monitor_refresh_ms": "100"}
    home = Home(tmp_path, environment=limits)
    spec = tmp_path / "greedy.yaml"
    spec.write_text(GREEDY)
    code, out, err = home.run("sweep", spec)
    (trial,) = home.state("greedy").trials.values()
    assert code == 0 and "Traceback" not in err, err
    assert trial.faults[0].fault == "out_of_memory", trial
    assert trial.settings["batch_size"] == 5000
    assert trial.outcome in ("infeasible", "complete"), "by what else the machine does meanwhile"
    assert "out of memory" in out and "batch_size = 5000" in " ".join(out.split())
