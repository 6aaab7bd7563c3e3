"""What can be named: nvf's own, and what installed packages bring under entry points.

A package that is installed offers a system, a source, a loss, a measure, a sampler or a pruner by a name:

    [project.entry-points."nvf.systems"]
    poly = "nvf_poly.system:Poly"

It is imported when that name is asked for. As long as all names are nvf's own, no other package is even looked at.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nvf.errors import PluginError, UsageError, nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")
M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something comes from that is not nvf's own.

    Attributes
    ----------
    package, version
        The distribution; the version is empty, and the package a module, where none was installed.
    module
        What is imported.
    """

    package: str
    version: str
    module: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}".strip()

    @property
    def requirement(self) -> str | None:
        """What pip installs; None where nothing was installed."""
        return f"{self.package}=={self.version}" if self.version else None


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
        own: Mapping[str, T | str] | Callable[[], Mapping[str, T | str]],
        accept: Callable[[str, Any], T] = lambda _, it: it,
    ) -> None:
        self.group, self.kind = group, kind
        self._given, self._accept = own, accept
        self._loaded: dict[str, T] = {}

    @functools.cached_property
    def own(self) -> Mapping[str, T | str]:
        """nvf's own: name -> the thing, or where it is."""
        return self._given() if callable(self._given) else self._given

    @functools.cached_property
    def offered(self) -> Mapping[str, tuple[EntryPoint, ...]]:
        """Name -> the entry points of that name, of each package that has one; nvf's own names are not taken."""
        from importlib.metadata import entry_points  # takes as long to import as nvf --help to run

        found: dict[str, tuple[EntryPoint, ...]] = {}
        for point in entry_points(group=self.group):
            if point.name not in self.own and point not in found.get(point.name, ()):
                found[point.name] = (*found.get(point.name, ()), point)
        return found

    def known(self) -> list[str]:
        """Return the names of nvf's own, of what is loaded, and of what installed packages offer, in order."""
        return sorted({*self, *self.offered})

    def find(self, name: str) -> T:
        """Return what is called `name`; raises `UsageError` with the nearest name where there is none."""
        if name in self:
            return self[name]
        if is_code(name):
            raise UsageError(
                f"the {self.kind} '{name}' is code that a sweep file may name, and nothing else: not a checkpoint, not "
                f"a journal. Install {name.partition('.')[0].partition(':')[0]} as a package with an entry point in "
                f"{self.group}, and search it under that name: see docs/extending.md"
            )
        raise UsageError(f"unknown {self.kind} '{name}'{nearest(name, self.known())}")

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

    def bring(self, name: str, folder: Path) -> None:
        """Load the class that a sweep file names as `module:Class`, from `folder` or from where Python finds it.

        Only for what the user has asked to run: this executes the module. Raises `PluginError`.
        """
        if name in self._loaded:
            return
        for points in self.offered.values():
            for point in points:
                if point.value == name:
                    raise PluginError(f"{name} is the {self.kind} '{point.name}' of an installed package: write that")
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        try:
            self._loaded[name] = self._accept(name, attribute(name))
        except Exception as error:
            raise PluginError(
                f"the {self.kind} '{name}' does not load: {type(error).__name__}: {error}; its module is looked for in "
                f"{folder}, and among the installed packages"
            ) from error

    def brought(self) -> Iterator[tuple[str, PluginError | None]]:
        """Load what installed packages bring; yield each name, and what is wrong with it."""
        for name in self.offered:
            try:
                self[name]
            except PluginError as error:
                yield name, error
            else:
                yield name, None

    def origin(self, name: str) -> Origin | None:
        """Return where a thing comes from that can be loaded; None for nvf's own."""
        if name in self.own:
            return None
        if name in self.offered:
            (point,) = self.offered[name]
            return _origin(point)
        return distribution(self[name].__module__)

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
            packages = " and ".join(sorted(str(_origin(point)) for point in points))
            raise PluginError(f"the {self.kind} '{name}' is offered by {packages}: uninstall all but one of them")
        try:
            return self._accept(name, points[0].load())
        except Exception as error:
            raise self._broken(name, error) from error

    def _broken(self, name: str, error: Exception) -> PluginError:
        (point,) = self.offered[name]
        origin = _origin(point)
        return PluginError(
            f"the {self.kind} '{name}' of the package {origin} ({point.value}) does not work: "
            f"{type(error).__name__}: {error}; repair or upgrade it, or pip uninstall {origin.package}"
        )


def is_code(name: str) -> bool:
    """Return whether a name is a `module:Class`, and not one of a table."""
    return ":" in name


def attribute(where: str) -> Any:
    """Return what `module:attribute` names, or the module."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name) if name else import_module(module)


def _origin(point: EntryPoint) -> Origin:
    name, version = (point.dist.name, point.dist.version) if point.dist else (point.module, "")
    return Origin(name, version, point.module)


@functools.lru_cache(maxsize=32)
def distribution(module: str) -> Origin:
    """Return the distribution that a module was installed with, or the module itself."""
    from importlib.metadata import packages_distributions, version

    top = module.partition(".")[0]
    names = packages_distributions().get(top, [])
    return Origin(names[0], version(names[0]), module) if names else Origin(top, "", module)


def files(module: str) -> dict[str, Path]:
    """Return the sources of an imported module's package, by their names from the package's own on.

    Of a lone file, those beside it that it imports count too.
    """
    name = module.partition(".")[0]
    top = sys.modules[name]
    if folders := [Path(each) for each in getattr(top, "__path__", ())]:
        return {
            f"{name}/{path.relative_to(folder).as_posix()}": path for folder in folders for path in folder.rglob("*.py")
        }
    left, found = [Path(top.__file__ or "")], dict[str, Path]()
    while left:
        path = left.pop()
        if path.suffix == ".py" and path.is_file() and path.name not in found:
            found[path.name] = path
            left += [path.with_name(f"{each.partition('.')[0]}.py") for each in imported(path.read_bytes())]
    return found


def imported(source: bytes) -> Iterator[str]:
    """Yield the names that a source imports, anywhere in it; of `from a import b` both a and a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (node.module, *(f"{node.module}.{each.name}" for each in node.names))
