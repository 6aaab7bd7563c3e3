"""What can be named: nvf's own, and what installed packages bring under entry points.

A package that is installed offers a system, a source, a loss, a measure, a sampler or a pruner by a name:

    [project.entry-points."nvf.systems"]
    poly = "nvf_poly.system:Poly"

It is imported when that name is asked for. As long as all names are nvf's own, no other package is even looked at.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from nvf.errors import PluginError, UsageError, nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")
M = TypeVar("M")


class Table(Mapping[str, T]):
    """Things of one kind by name; iterating gives nvf's own, and those of others that are loaded already.

    Parameters
    ----------
    group
        The entry points' group, such as `nvf.measures`.
    kind
        What one of them is called in messages, such as `measure`.
    own
        nvf's own: name -> the thing, or `module:attribute` where it is, imported when it is asked for.
    accept
        Called with a name and what was loaded for it; returns what the table holds, or raises `ValueError` with what
        is wrong with it.
    """

    def __init__(
        self,
        group: str,
        kind: str,
        own: Mapping[str, T | str],
        accept: Callable[[str, Any], T] = lambda _, it: it,
    ) -> None:
        self.group, self.kind = group, kind
        self._given, self._accept = own, accept
        self._loaded: dict[str, T] = {}

    @property
    def own(self) -> Mapping[str, T | str]:
        """nvf's own: name -> the thing, or where it is."""
        return self._given

    @functools.cached_property
    def offered(self) -> Mapping[str, tuple[EntryPoint, ...]]:
        """Name -> the entry points of that name, of each package that has one; nvf's own names are not taken."""
        from importlib.metadata import entry_points  # takes as long to import as nvf --help to run

        found: dict[str, tuple[EntryPoint, ...]] = {}
        for point in entry_points(group=self.group):
            if point.name not in self.own and point not in found.get(point.name, ()):
                found[point.name] = (*found.get(point.name, ()), point)
        return found

    def find(self, name: str) -> T:
        """Return what is called `name`; raises `UsageError` with the nearest name where there is none."""
        if name not in self:
            raise UsageError(f"unknown {self.kind} '{name}'{nearest(name, {*self, *self.offered})}")
        return self[name]

    def make(self: Table[Callable[..., M]], name: str, kind: type[Any], *arguments: Any) -> M:
        """Return what the factory called `name` makes of the arguments; raises `PluginError` where it is no `kind`."""
        factory = self.find(name)
        if name in self.own:
            return factory(*arguments)
        try:
            made = factory(*arguments)
            if not isinstance(made, kind):
                raise TypeError(f"{made!r} is no {kind.__name__}")
        except Exception as error:
            raise self._broken(name, error) from error
        return made

    def __getitem__(self, name: str) -> T:
        """Return what is called `name`; raises `PluginError` where a package's does not load."""
        if name not in self._loaded:
            where = self.own[name] if name in self.own else None
            if where is None:
                self._loaded[name] = self._brought(name, self.offered[name])
            else:
                self._loaded[name] = self._accept(name, attribute(where)) if isinstance(where, str) else where
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self._loaded or name in self.offered

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.own, *self._loaded]))

    def __len__(self) -> int:
        return len({*self.own, *self._loaded})

    def _brought(self, name: str, points: tuple[EntryPoint, ...]) -> T:
        if len(points) > 1:
            packages = " and ".join(sorted(package(point) for point in points))
            raise PluginError(f"the {self.kind} '{name}' is offered by {packages}: uninstall all but one of them")
        (point,) = points
        try:
            return self._accept(name, point.load())
        except Exception as error:
            raise self._broken(name, error) from error

    def _broken(self, name: str, error: Exception) -> PluginError:
        (point,) = self.offered[name]
        return PluginError(
            f"the {self.kind} '{name}' of the package {package(point)} ({point.value}) does not work: "
            f"{type(error).__name__}: {error}; repair or upgrade it, or pip uninstall "
            f"{point.dist.name if point.dist else point.module}"
        )


def attribute(where: str) -> Any:
    """Return what `module:attribute` names."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


def package(point: EntryPoint) -> str:
    """Return name and version of the package that an entry point is of."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.module
