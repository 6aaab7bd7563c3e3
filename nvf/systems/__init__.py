"""What is learned: every system by name, behind the one interface of `nvf.systems.base`.

system = create("soft_attention", {"rank": 48}, task.corpus, "cpu")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from nvf.errors import UsageError, nearest
from nvf.params import make
from nvf.systems.amn import AMN
from nvf.systems.asymmetric import Asymmetric
from nvf.systems.base import System
from nvf.systems.bm25 import BM25
from nvf.systems.cascade import Cascade
from nvf.systems.context_mean import ContextMean
from nvf.systems.fused import Fused
from nvf.systems.hybrid import Hybrid
from nvf.systems.jepa import Jepa
from nvf.systems.linear import Linear
from nvf.systems.lvm import LVM
from nvf.systems.lvm_rerank import LVMRerank
from nvf.systems.memory import Memory
from nvf.systems.nudge import Nudge
from nvf.systems.oracle import Oracle
from nvf.systems.projection import Projection
from nvf.systems.raw import Raw
from nvf.systems.respred import Respred
from nvf.systems.siamese import Siamese
from nvf.systems.soft_attention import SoftAttention
from nvf.systems.two_stage import TwoStage
from nvf.systems.two_tower import TwoTower
from nvf.tasks.base import Corpus

__all__ = ["SYSTEMS", "System", "create", "get"]

SYSTEMS: dict[str, type[System]] = {
    system.name: system
    for system in (
        Raw,
        BM25,
        Hybrid,
        ContextMean,
        Oracle,
        AMN,
        LVM,
        LVMRerank,
        Linear,
        Fused,
        Nudge,
        Memory,
        Siamese,
        SoftAttention,
        TwoStage,
        Cascade,
        TwoTower,
        Projection,
        Jepa,
        Respred,
        Asymmetric,
    )
}


def get(name: str) -> type[System]:
    """Return the system called `name`, or raise `UsageError` with the nearest name."""
    if name not in SYSTEMS:
        raise UsageError(f"unknown system '{name}'{nearest(name, SYSTEMS)}")
    return SYSTEMS[name]


def create(name: str, params: Mapping[str, Any], corpus: Corpus, device: torch.device | str = "cpu") -> System:
    """Return the system called `name` on `corpus`, neither trained nor restored yet.

    `params` are flattened names ("reranker.hidden"); what is not given keeps its default.

    Raises
    ------
    UsageError
        Where there is no such system.
    ParamsError
        Where a parameter is unknown or out of bounds.
    """
    kind = get(name)
    return kind(make(kind.Params, params), corpus, device)
