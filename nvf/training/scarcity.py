"""Too little memory: told from other errors, and answered with half the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from nvf.params import Value, bounds
from nvf.systems import get

BATCH = "batch_size"


def out_of_memory(error: BaseException) -> bool:
    """Return whether `error` says that memory could not be had, on the host or on a GPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # PyTorch has no class of its own for the host's memory.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def halved(system: str, params: Mapping[str, Any]) -> dict[str, Value]:
    """Return the batch sizes among `params`, those of stages included, at half their value; empty where none can fall.

    They stay within the bounds of `system`; what is missing among `params`, by flattened name, has its default.
    """
    found: dict[str, Value] = {}
    for name, bound in bounds(get(system).Params).items():
        if is_batch(name):
            value = int(params.get(name, bound.default))
            half = max(value // 2, int(bound.low or 1))
            if half < value:
                found[name] = half
    return found


def is_batch(name: str) -> bool:
    """Return whether a parameter is the size of a batch, of the system or of one of its stages."""
    return name.rpartition(".")[2] == BATCH
