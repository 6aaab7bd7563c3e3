"""What a sweep stands on besides its journal: its file, its task, the code and the versions. Once it has begun, none of
it may change unnoticed."""

from __future__ import annotations

import difflib
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version

from nvf import __version__
from nvf.journal.facts import Package, Provenance
from nvf.sweep.code import ROOMS, code

PACKAGES = ("torch", "ray", "optuna", "mlflow", "numpy", "sentence-transformers")
DECISIVE = ("torch", "numpy", "optuna")
"""What figures and settings depend on."""
SHOWN = 20
"""Lines of a changed file that are shown."""


def ground(fingerprint: str, spec_text: str, packages: Mapping[str, Package] | None = None) -> Provenance:
    """Return what a sweep that begins now stands on; `packages` are those that `nvf.sweep.brought.packages` finds."""
    return Provenance(
        fingerprint=fingerprint,
        spec_text=spec_text,
        nvf=__version__,
        versions={name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        code=code(),
        packages=dict(packages or {}),
    )


def changes(before: Provenance, now: Provenance) -> list[str]:
    """Return what differs between two grounds, a text for each; what an older journal does not say is not compared."""
    return [
        *_task(before, now),
        *_file(before, now),
        *_versions(before, now),
        *_code(before, now),
        *_packages(before, now),
    ]


def _task(before: Provenance, now: Provenance) -> Iterator[str]:
    if before.fingerprint != now.fingerprint:
        yield (
            f"the task: its fingerprint was {before.fingerprint[:12]} and is {now.fingerprint[:12]}; trials "
            "before and after cannot be compared"
        )


def _file(before: Provenance, now: Provenance) -> Iterator[str]:
    old, new = before.spec_text.splitlines(), now.spec_text.splitlines()
    if before.spec_text != now.spec_text:
        found = list(difflib.unified_diff(old, new, "as journaled", "spec.yaml", lineterm="", n=0))
        more = [f"... and {len(found) - SHOWN} lines more"] if len(found) > SHOWN else []
        yield "\n  ".join(["the sweep file:", *found[:SHOWN], *more])


def _versions(before: Provenance, now: Provenance) -> Iterator[str]:
    held = {"nvf": before.nvf, **{name: before.versions.get(name) for name in DECISIVE}}
    for name, old in held.items():
        new = now.nvf if name == "nvf" else now.versions[name]
        if old is not None and old != new:
            yield f"{name}: was {old} and is {new}"


def _code(before: Provenance, now: Provenance) -> Iterator[str]:
    old, new = before.code, now.code
    rooms = {name.split("/")[0] for name in old}
    if rooms <= set(ROOMS):  # an older journal, or one without any: what it does not know did not change
        new = {name: value for name, value in new.items() if name.split("/")[0] in rooms}
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    if names:
        yield f"the code of nvf: {', '.join(names)}"


def _packages(before: Provenance, now: Provenance) -> Iterator[str]:
    for name in sorted({*before.packages} & {*now.packages}):
        old, new = before.packages[name], now.packages[name]
        if old.version != new.version:
            yield f"the package {name}: was {old.version or 'not installed'} and is {new.version or 'not installed'}"
        changed = sorted(path for path in {*old.code, *new.code} if old.code.get(path) != new.code.get(path))
        if changed:
            yield f"the code of {name}: {', '.join(changed)}"
