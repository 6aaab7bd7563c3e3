"""What is learned: every system by name, behind the one interface of `nvf.systems.base`.

system = create("soft_attention", {"rank": 48}, task.corpus, "cpu")

A class of this folder becomes a system by `@register("its_name", ...)`, and is imported when it is asked for: torch,
which all of them need, takes seconds to import. So the names are read from the text of the files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nvf import devices
from nvf.errors import UsageError
from nvf.params import make, nested, param
from nvf.plugins import Table, is_code

if TYPE_CHECKING:
    import torch

    from nvf.systems.base import Inspection, Role, System
    from nvf.systems.pair_system import DualSystem, PairSystem, QuerySystem, TrainParams
    from nvf.systems.pairs import PairBatch
    from nvf.systems.reranking import RerankSystem
    from nvf.tasks.base import Corpus, Split, Task
    from nvf.types import Diagnosis, Queries, Ranking

__all__ = [
    "SYSTEMS",
    "Corpus",
    "Diagnosis",
    "DualSystem",
    "Inspection",
    "PairBatch",
    "PairSystem",
    "Queries",
    "QuerySystem",
    "Ranking",
    "RerankSystem",
    "Split",
    "System",
    "Task",
    "TrainParams",
    "baseline",
    "baselines",
    "create",
    "get",
    "nested",
    "param",
    "register",
]
_OFFERED = {
    "base": ("Inspection", "System"),
    "pair_system": ("DualSystem", "PairSystem", "QuerySystem", "TrainParams"),
    "pairs": ("PairBatch",),
    "reranking": ("RerankSystem",),
    "..tasks.base": ("Corpus", "Split", "Task"),
    "..types": ("Diagnosis", "Queries", "Ranking"),
}
"""What a new system is written with, by the module it is loaded from when it is asked for."""

Kind = TypeVar("Kind", bound="type[System]")
_MARK = re.compile(r'^@register\(\s*"(\w+)"', re.MULTILINE)


def __getattr__(name: str) -> Any:
    for module, names in _OFFERED.items():
        if name in names:
            return getattr(import_module(module if module.startswith(".") else f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _own() -> Mapping[str, str]:
    """Return name -> module of the systems in this folder."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    names = {file: _MARK.findall(file.read_text(encoding="utf-8")) for file in files}
    return {name: f"{__name__}.{file.stem}" for file, found in names.items() for name in found}


class _Systems(Table["type[System]"]):
    """Every system by name; its class is imported at the first look."""

    def add(self, name: str, kind: type[System]) -> None:
        """Let `kind` be the system called `name`; raises `UsageError` where another module has one of that name."""
        there = self._loaded.get(name)
        module = self.own.get(name, kind.__module__ if there is None else there.__module__)
        if kind.__module__ != module:
            raise UsageError(f"'{name}' is a system of {module} already: {kind.__module__} needs another name for its")
        self._loaded[name] = kind

    def registered(self, name: str, found: Any) -> type[System]:
        """Return the class that was registered as `name` when `found` was imported.

        A class that a sweep file names by itself is known as that alone, `module:Class`: not as what it calls itself,
        which a checkpoint may say too.
        """
        known = getattr(found, "name", "") if is_code(name) else name
        kind = self._loaded.get(known)
        if kind is None or isinstance(found, type) and found is not kind:
            raise ValueError(
                f"it registers no such system: put @register({known or 'name'!r}, source=...) above the class"
            )
        if is_code(name):
            kind.name = name
            del self._loaded[known]
        return kind

    def __iter__(self) -> Iterator[str]:
        """Yield `raw`, with which everything is compared, and then the others by name."""
        return iter(sorted(super().__iter__(), key=lambda name: (name != "raw", name)))


SYSTEMS: _Systems = _Systems("nvf.systems", "system", _own, lambda name, found: SYSTEMS.registered(name, found))


def register(
    name: str,
    *,
    summary: str = "",
    source: str,
    role: Role | None = None,
    transfers: bool | None = None,
    diagnoses: Sequence[str] = (),
) -> Callable[[Kind], Kind]:
    """Make a class a system.

    Parameters
    ----------
    name
        What sweep files and records call it.
    summary
        One line for `nvf systems`; by default the first one of the class's docstring.
    source
        Where the idea comes from.
    role
        Whether it is searched, or measured beside (`nvf.systems.base.Role`); by default as its base says.
    transfers
        Whether what it learned can rank another corpus of the same encoder; by default as its base says.
    diagnoses
        The names of what `inspect` may find, besides those of its base; `stop` of a sweep may name them.

    Raises
    ------
    UsageError
        Where that is no name, another module has it, or the class does not say its parameters.
    """

    def registered(kind: Kind) -> Kind:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise UsageError(f"'{name}' is no name of a system: use a-z, 0-9 and '_'")
        if kind.Params is None:
            raise UsageError(f"{kind.__qualname__} does not say its parameters: write {kind.__base__.__name__}[Params]")
        SYSTEMS.add(name, kind)
        kind.name, kind.source, kind.role = name, source, role or kind.role
        kind.summary = summary or (kind.__doc__ or name).strip().splitlines()[0]
        kind.transfers = kind.transfers if transfers is None else transfers
        kind.diagnoses = tuple(dict.fromkeys([*kind.diagnoses, *diagnoses]))
        return kind

    return registered


def get(name: str) -> type[System]:
    """Return the system called `name`, or raise `UsageError` with the nearest name."""
    return SYSTEMS.find(name)


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


def baselines(*tasks: Task) -> dict[str, Role]:
    """Return the floors and ceilings that apply to all of the tasks, by name."""
    beside = {name: kind for name, kind in SYSTEMS.items() if kind.role != "searched"}
    return {name: kind.role for name, kind in beside.items() if all(kind.applies_to(task) is None for task in tasks)}


def baseline(name: str, task: Task) -> System:
    """Return a floor or ceiling with default parameters, ready to rank."""
    system = create(name, {}, task.corpus)
    system.prepare(task, 0)
    return system
