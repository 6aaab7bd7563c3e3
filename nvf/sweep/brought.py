"""What a sweep names that is not nvf's own: it is loaded, and its code is part of what the sweep stands on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from nvf.errors import SweepError, UsageError
from nvf.journal.facts import Package, Provenance
from nvf.losses import LOSSES
from nvf.measures.parse import MEASURES, parts
from nvf.plugins import Table, is_code
from nvf.spec.form import KeyPath, Spec
from nvf.sweep.code import of_package
from nvf.systems import SYSTEMS
from nvf.tasks import SOURCES


def classes(spec: Spec) -> list[tuple[Table[Any], str]]:
    """Return what a sweep file names as `module:Class`, with the table that it is for."""
    return [(table, name) for table, name in _named(spec) if is_code(name)]


def bring(spec: Spec) -> None:
    """Load what the user's own sweep file names as `module:Class`; raises `PluginError`."""
    for table, name in classes(spec):
        table.bring(name, Path.cwd())


def allow(spec: Spec, sweep: str, allowed: Collection[str], edited: Path | None = None) -> None:
    """Load what a journal names as `module:Class`, or the `edited` sweep file beside it.

    Raises `SweepError` where the user has not allowed it.
    """
    asked = {name for _, name in classes(spec)}
    if missing := sorted(asked.difference(allowed)):
        named = f"{edited} names" if edited else "only its journal names"
        options = [*(f"--allow {name}" for name in sorted(asked.union(allowed))), *["--accept-changes"] * bool(edited)]
        raise SweepError(
            f"sweep '{sweep}' runs {' and '.join(missing)}, code that {named}. Where you trust it: "
            f"nvf resume {sweep} {' '.join(options)}"
        )
    bring(spec)


def check(spec: Spec, ground: Provenance) -> None:
    """Raise `SweepError` where a system or a measure of a sweep is of a package that is not here."""
    for table, name in _named(spec):
        if table is not SOURCES and name not in table.own:
            _find(table, name, ground)


def packages(spec: Spec, before: Provenance | None = None) -> dict[str, Package]:
    """Return each package that a sweep runs code of, with its version and the digests of its sources.

    Raises `SweepError` where one is not here; with the version that was there, where `before` knows it.
    """
    found: dict[str, Package] = {}
    for table, name in _everything(spec):
        if name not in table.own:
            _find(table, name, before)
            origin = table.origin(name)
            assert origin is not None, "it is not our own"
            known = found.setdefault(origin.package, Package(origin.version, {}))
            known.code.update(of_package(origin.module))
    return found


def losses(spec: Spec) -> Iterator[tuple[KeyPath, str]]:
    """Yield each loss that a sweep file names, and where."""
    brought = [SYSTEMS[name].Params for name in spec.system if name not in SYSTEMS.own]
    if not brought:  # what follows takes torch, and so seconds
        return
    from nvf.systems import TrainParams

    if any(issubclass(params, TrainParams) for params in brought):
        yield from ((("fixed", name), str(value)) for name, value in spec.fixed.items() if _is_loss(name))
        for name, domain in spec.space.items():
            yield from ((("space", name), str(value)) for value in domain.choices if _is_loss(name))


def _is_loss(name: str) -> bool:
    return name.rpartition(".")[2] == "loss"


def _named(spec: Spec) -> Iterator[tuple[Table[Any], str]]:
    yield from ((SYSTEMS, name) for name in spec.system)
    yield from ((SOURCES, str(options.get("source"))) for options in (spec.task, *spec.evaluate))
    yield from ((MEASURES, parts(each.name)[0]) for each in spec.objectives if each.view)


def _everything(spec: Spec) -> Iterator[tuple[Table[Any], str]]:
    from nvf.sweep.pruner import PRUNERS
    from nvf.sweep.sampler import SAMPLERS

    yield from _named(spec)
    yield from ((LOSSES, name) for _, name in losses(spec))  # asks the systems, which are there by now
    yield from ((SAMPLERS, spec.search.sampler), (PRUNERS, spec.pruner.kind))


def _find(table: Table[Any], name: str, before: Provenance | None) -> None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        table.find(name)
    except UsageError as error:
        there = [] if before is None else [(name, each.version) for name, each in before.packages.items()]
        for package, then in there:
            try:
                version(package)
            except PackageNotFoundError:
                if then:
                    raise SweepError(
                        f"the {table.kind} '{name}' is of {package} {then}, which is not installed here: "
                        f"pip install {package}=={then}"
                    ) from None
        raise SweepError(str(error)) from None
