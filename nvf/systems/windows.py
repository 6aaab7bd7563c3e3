"""Queries that are windows: C consecutive vectors, the last one the nearest to what is asked for."""

from __future__ import annotations

import torch
from torch import Tensor

from nvf.tasks.base import Task
from nvf.types import FloatArray, as_tensor


def as_windows(vectors: FloatArray, device: torch.device | str = "cpu") -> Tensor:
    """Return queries (Q, C, D) as they are, and (Q, D) as windows of one vector: (Q, 1, D)."""
    windows = as_tensor(vectors, device)
    return windows if windows.dim() == 3 else windows.unsqueeze(1)


def needs_windows(task: Task) -> str | None:
    """Return None where each query is a window of vectors as wide as a document's, else what it is instead."""
    shape = task.split("dev").queries.vectors.shape
    if len(shape) != 3:
        return f"each query of {task.name} is one vector, not a window of consecutive ones"
    if shape[2] != task.corpus.dim:
        return f"the windows of {task.name} are {shape[2]} wide, its documents {task.corpus.dim}"
    return None


def needs_training_windows(task: Task) -> str | None:
    """Return None where a system can learn from the task's training windows, else why not."""
    if len(task.train) == 0:
        return f"{task.name} has no training queries"
    return needs_windows(task)
