"""What several kinds of events say: where a sweep stands, on what, and what it published."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, JsonValue

from nvf.overlap import Overlap
from nvf.params import Value

Params = dict[str, Value]
"""Name -> value of parameters, flattened."""
Options = Mapping[str, JsonValue]
"""Options of a task, as a sweep file gives them."""
Absent = Field(exclude_if=lambda value: value is None)
"""Marks a field that is not written where it is None."""
Text = Annotated[str | None, Absent]
Whole = Annotated[int | None, Absent]


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """What is true of one process alone; none of it where it does not matter.

    `folder` is where it works, `snapshot` where its task's lies, `node` Ray's id of the machine, `instructions` torch's
    vector instructions.
    """

    host: Text = None
    pid: Whole = None
    folder: Text = None
    snapshot: Text = None
    node: Text = None
    platform: Text = None
    instructions: Text = None

    @classmethod
    def here(cls, **more: str) -> Clock:
        """Return what is true of this process, and what else is said of it."""
        return cls(host=platform.node(), pid=os.getpid(), **more)


@dataclass(frozen=True, slots=True)
class Git:
    """The commit of nvf, and whether anything was changed since."""

    commit: str
    dirty: bool


@dataclass(frozen=True, slots=True)
class Published:
    """A checkpoint: its folder seen from the sweep's, the digest of what is in it, and its bytes."""

    folder: str
    digest: str
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One training of a finalist, a trial by its number.

    `place` says which of the seeds it is, from 0: the same place has the same seed and the same draw for every
    finalist. Where the cold share is `withheld` from it, `cold_seed` draws that, else all judgements are there.
    """

    trial: int
    place: int
    withheld: bool
    seed: int
    cold_seed: int | None


@dataclass(frozen=True, slots=True)
class Named:
    """A task by its name and the fingerprint of what it holds."""

    name: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Searched:
    """The task of a sweep.

    Attributes
    ----------
    name, fingerprint, source
        Which one, what it holds, and its options.
    encoder
        What made its vectors; None where it brings them.
    documents
        How many.
    queries
        Split -> view -> how many.
    leaks, notes
        What its splits share, and what else is to be known.
    """

    name: str
    fingerprint: str
    source: dict[str, JsonValue] = field(default_factory=dict)
    encoder: str | None = None
    documents: int = 0
    queries: dict[str, dict[str, int]] = field(default_factory=dict)
    leaks: list[Overlap] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Package:
    """A package that a sweep runs code of: its version, empty where it was not installed, and its sources' digests."""

    version: str
    code: dict[str, str]


Packages = Annotated[dict[str, Package], Field(exclude_if=lambda found: not found)]
"""By name; not written where there are none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """What a sweep stands on besides its journal: its task, its file, the code and the versions."""

    fingerprint: str
    spec_text: str = ""
    nvf: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    packages: Packages = field(default_factory=dict)
