"""What is learned: every system by name, behind the one interface of `nvf.systems.base`.

system = create("soft_attention", {"rank": 48}, task.corpus, "cpu")

A system is imported when it is asked for: torch, which all of them need, takes seconds to import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nvf import devices
from nvf.errors import UsageError, nearest
from nvf.params import make

if TYPE_CHECKING:
    import torch

    from nvf.systems.base import System
    from nvf.tasks.base import Corpus

__all__ = ["SYSTEMS", "create", "get"]

_PLACES = {
    "raw": "raw.Raw",
    "bm25": "bm25.BM25",
    "hybrid": "hybrid.Hybrid",
    "context_mean": "context_mean.ContextMean",
    "oracle": "oracle.Oracle",
    "amn": "amn.AMN",
    "lvm": "lvm.LVM",
    "lvm_rerank": "lvm_rerank.LVMRerank",
    "linear": "linear.Linear",
    "fused": "fused.Fused",
    "nudge": "nudge.Nudge",
    "memory": "memory.Memory",
    "siamese": "siamese.Siamese",
    "soft_attention": "soft_attention.SoftAttention",
    "two_stage": "two_stage.TwoStage",
    "cascade": "cascade.Cascade",
    "two_tower": "two_tower.TwoTower",
    "projection": "projection.Projection",
    "jepa": "jepa.Jepa",
    "respred": "respred.Respred",
    "asymmetric": "asymmetric.Asymmetric",
}
"""Name -> module and class."""


class _Systems(Mapping[str, "type[System]"]):
    """Every system by name; its class is imported at the first look."""

    def __getitem__(self, name: str) -> type[System]:
        module, _, kind = _PLACES[name].partition(".")
        found: type[System] = getattr(import_module(f"nvf.systems.{module}"), kind)
        return found

    def __contains__(self, name: object) -> bool:
        return name in _PLACES

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


SYSTEMS: Mapping[str, type[System]] = _Systems()


def get(name: str) -> type[System]:
    """Return the system called `name`, or raise `UsageError` with the nearest name."""
    if name not in SYSTEMS:
        raise UsageError(f"unknown system '{name}'{nearest(name, SYSTEMS)}")
    return SYSTEMS[name]


def create(name: str, params: Mapping[str, Any], corpus: Corpus, device: torch.device | str | None = None) -> System:
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
    return kind(make(kind.Params, params), corpus, device or devices.current())
