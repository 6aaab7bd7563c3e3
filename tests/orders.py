"""The order of a small trial, for those who run a worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nvf import tasks
from nvf.sweep.orders import Order

OPTIONS = {"source": "synthetic", "documents": 60, "dim": 8, "map": "rotation", "train": 200, "dev": 30, "test": 30}


def order(checkpoints: Path, **changes: Any) -> Order:
    """Return the order of a trial of `linear` on the task of `OPTIONS`; `changes` replace what stands in it."""
    told: dict[str, Any] = {
        "trial": 3,
        "system": "linear",
        "params": {"lr": 0.03, "heads": "query"},
        "seed": 1,
        "epochs": 5,
        "task": str(tasks.build_snapshot(OPTIONS)),
        "cold": 0.2,
        "cold_seed": 0,
        "measures": ("nDCG@10", "R@5"),
        "objective": "nDCG@10",
        "checkpoints": str(checkpoints),
        "cpu": 1,
        "gpu": 0,
    }
    return Order(**{**told, **changes})
