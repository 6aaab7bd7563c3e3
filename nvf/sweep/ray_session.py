"""Starting or joining Ray, quietly, and without what slows small trials down."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # they cost 1.8 times the wall time and 300 KB of memory a trial
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # signals end the sweep through the conductor
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # Tune's own state is never read
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
OBJECT_STORE = 128 * 2**20
"""Bytes for a local session's object store: corpora are memory-mapped, only reports pass through it."""

for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)


@contextmanager
def session(address: str | None) -> Iterator[Mapping[str, float]]:
    """Hold a Ray session open and yield the cluster's resources.

    Parameters
    ----------
    address
        A running cluster (`auto`, `host:port`, `ray://...`), or None: a session on this machine alone, or the cluster
        that the process was started in as a Ray job.
    """
    import ray

    # What goes wrong with a trial is journaled and told by nvf itself.
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None and "RAY_ADDRESS" not in os.environ:
        options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE, "num_cpus": os.cpu_count()}
    ray.init(address=address, **options)
    try:
        yield ray.cluster_resources()  # type: ignore[no-untyped-call]
    finally:
        ray.shutdown()
