"""Where tensors live: on the CPU, or on the GPU that `resources.gpu` of a sweep file asks for.

What trains insists on its GPU (`needed`). What only encodes, ranks and judges takes the GPU where there is one and the
CPU where there is none (`using`), since figures are the same: a sweep of a cluster is promoted from a laptop.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from nvf.errors import DeviceError

CPU, GPU = "cpu", "cuda"
"""Of several GPUs the first that is visible: Ray shows a worker its own by `CUDA_VISIBLE_DEVICES`."""
_LEAVING: list[Callable[[], object]] = []
_current: ContextVar[str] = ContextVar("device", default=CPU)


def current() -> str:
    """Return the device of whatever is not given one: the CPU but within `using`."""
    return _current.get()


def lacking() -> str | None:
    """Return None where torch sees a GPU, else why it does not."""
    import torch

    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None and torch.version.hip is None:
        return f"torch {torch.__version__} is built for the CPU alone: install a build for your GPU (pytorch.org)"
    return f"torch {torch.__version__} sees no GPU: look at nvidia-smi and CUDA_VISIBLE_DEVICES"


def needed(gpu: float) -> str:
    """Return the device of `resources.gpu`; raises `DeviceError` where it asks for a GPU that torch does not see."""
    if gpu > 0 and (reason := lacking()) is not None:
        raise DeviceError(f"resources.gpu = {gpu:g}, but {reason}; or train on the CPU: --set resources.gpu=0")
    return GPU if gpu > 0 else CPU


def on_leaving(free: Callable[[], object]) -> None:
    """Have `free` called whenever a GPU is left: it lets go of what is kept there only to be had again sooner."""
    _LEAVING.append(free)


@contextmanager
def using(gpu: float) -> Iterator[str]:
    """Make the device of `resources.gpu` the current one within the block, the CPU where torch sees no GPU.

    Yields it. On leaving a GPU, what was kept there for another time is given back, an encoder too: a sweep's trials
    need the memory.
    """
    chosen = GPU if gpu > 0 and lacking() is None else CPU
    token = _current.set(chosen)
    try:
        yield chosen
    finally:
        _current.reset(token)
        if chosen != CPU:
            for free in _LEAVING:
                free()
            gc.collect()
        if chosen == "cuda":
            import torch

            torch.cuda.empty_cache()
