"""What Ray Tune runs: a thin class around `worker.Worker`, whose actor is used again for trial after trial."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ray
from ray import tune

from nvf.journal.facts import Clock
from nvf.sweep.surroundings import machine
from nvf.sweep.worker import Worker

REPORT = "nvf_report"


class NvfTrainable(tune.Trainable):
    """One trial at a time; each step is one epoch. Tune's own save and restore are not used."""

    def setup(self, config: dict[str, Any]) -> None:
        """Take the order; the work begins with the first step, where errors are caught."""
        self._worker = Worker(config["order"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next order on the same actor."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Run one epoch and return its report."""
        report = self._worker.step()
        node = ray.get_runtime_context().get_node_id()
        clock = Clock.here(node=node, **machine())
        return {REPORT: replace(report, clock=clock)}
