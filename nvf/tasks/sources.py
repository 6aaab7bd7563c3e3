"""What every source of tasks offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from nvf.params import flatten
from nvf.tasks.base import Task
from nvf.tasks.outline import Look

P = TypeVar("P")


class Source(ABC, Generic[P]):
    """Something that a task can be made from.

    Attributes
    ----------
    name
        As in a sweep file's `task: {source: name}`.
    summary
        One sentence.
    Params
        Its options.
    files
        The options that are paths.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Params: ClassVar[type[Any]]
    files: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def load(self, params: P) -> Task:
        """Return the task made with `params`. Raises `TaskError`."""

    @abstractmethod
    def look(self, params: P) -> Look:
        """Return what there is, checked as far as that goes without encoding."""

    def inputs(self, params: P) -> Iterable[Path]:
        """Return the files that the task depends on: where one has changed, the task is made again."""
        return ()

    def state(self, params: P) -> str:
        """Return what else the task depends on, besides options and files: a digest that differs when it changed."""
        return ""

    def options(self, params: P) -> dict[str, Any]:
        """Return `params` as a sweep file has them, defaults included."""
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in flatten(params).items()}
        return {"source": self.name, **values}
