"""Queries that are windows: C consecutive vectors, the last one the nearest to what is asked for."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nvf.tasks.base import Task
from nvf.types import FloatArray, as_tensor

COPY = 1 - 1e-5
"""The cosine above which a vector is the answer itself, or its copy."""


def as_windows(vectors: FloatArray, device: torch.device | str = "cpu") -> Tensor:
    """Return queries (Q, C, D) as they are, and (Q, D) as windows of one vector: (Q, 1, D)."""
    windows = as_tensor(vectors, device)
    return windows if windows.dim() == 3 else windows.unsqueeze(1)


def copies_in(windows: Tensor, answers: Tensor, before: int) -> Tensor:
    """Return (2, P) pairs (window, before + place) of what in windows (B, C, D) is a copy of the unit answers (B, D).

    A sentence that stands twice in a document would else be its own negative.
    """
    found = (F.normalize(windows, dim=-1) @ answers.unsqueeze(-1)).squeeze(-1) > COPY
    return found.nonzero().T + torch.tensor([[0], [before]], device=found.device)


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
