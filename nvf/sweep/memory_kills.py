"""Lets a sweep outlive a worker that Ray kills because its node runs out of memory.

Ray tells of such a death by an error of its own, which Tune 2.60 does not know: it ends the run. Here it is handed on
as what it is, the death of an actor, and Tune begins the trial anew.
"""

from __future__ import annotations

from typing import Any

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError


class KilledForMemory(RayActorError):
    """A worker that Ray killed because the node was running out of memory."""


def understand() -> None:
    """Teach Tune, once in a process."""
    known = RayActorManager._actor_task_failed
    if getattr(known, "nvf", False):
        return

    def failed(self: Any, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = KilledForMemory(error_msg=str(exception).splitlines()[0])
        known(self, tracked_actor_task=tracked_actor_task, exception=exception)

    failed.nvf = True  # type: ignore[attr-defined]
    RayActorManager._actor_task_failed = failed  # type: ignore[method-assign]
