"""The form of a sweep file: what is searched, over which parameters, and for how long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field

from nvf.errors import NvfError, SpecError
from nvf.measures.objective import Objective
from nvf.redaction import safe
from nvf.spec.domain import Domain, Single, Strict

KeyPath = tuple[str | int, ...]
"""Where something stands in a file: keys of mappings, places in lists."""


class Misfit(SpecError):
    """What a sweep file says at a key does not fit the rest of it, its data, or this nvf.

    Attributes
    ----------
    at, message
        The key that is at fault, and what is wrong with it.
    """

    def __init__(self, at: KeyPath, message: str) -> None:
        key = ".".join(str(part) for part in at if isinstance(part, str))
        super().__init__(message if key == "task" else f"{key}: {message}")
        self.at, self.message = at, message


@contextmanager
def blaming(*at: str | int) -> Iterator[None]:
    """Turn an error of ours within the block into the `Misfit` of a key."""
    try:
        yield
    except NvfError as error:
        raise Misfit(at, str(error)) from error


NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
ALWAYS = ("nDCG@10", "R@1", "R@5", "R@10", "Success@1", "RR@10")
"""Measured in every sweep, whatever it optimises."""


def seconds(value: Any) -> float | None:
    """Return a duration in seconds from `90`, `90s`, `30m`, `1h30m`; None stays None.

    >>> seconds("1h30m"), seconds(20)
    (5400.0, 20.0)
    """
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return None if value is None else float(value)
    found = re.fullmatch(r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", str(value))
    if found is None or not any(found.groups()):
        raise ValueError(f"'{value}' is not a duration; write 90s, 30m or 1h30m")
    hours, minutes, rest = (int(part or 0) for part in found.groups())
    return 3600.0 * hours + 60.0 * minutes + rest


class Search(Strict):
    """How settings are drawn: the sampler, how many trials, from which seed."""

    sampler: str = "tpe"
    trials: int = Field(20, ge=1, le=100_000)
    seed: int = Field(0, ge=0, lt=2**31)


class Pruner(Strict):
    """Which pruner ends hopeless trials, and from which epoch on."""

    kind: str = "none"
    min_epochs: int = Field(1, ge=1)
    reduction: int = Field(3, ge=2, le=10)
    patience: int = Field(3, ge=1)


class Budget(Strict):
    """How long: epochs of one trial, and time of the whole sweep in seconds (None for no end)."""

    epochs: int = Field(10, ge=1, le=10_000)
    time: Annotated[float | None, BeforeValidator(seconds)] = Field(None, gt=0)


class Resources(Strict):
    """What one trial gets: CPU cores, and a GPU or a share of one."""

    cpu: float = Field(1, gt=0)
    gpu: float = Field(0, ge=0)


class Checkpoints(Strict):
    """What stays on the disk: the checkpoints of the best trials (and of those that run), and their bytes in all."""

    keep: int = Field(10, ge=1)
    bytes: ByteSize | None = Field(None, gt=0)


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Gates(Strict):
    """What `nvf promote` asks of a confirmed finalist, by its figures on test.

    Attributes
    ----------
    confirmed
        Whether confirmation and gates guard every alias, and not only the champion's.
    floors
        Better on clean queries than every floor, or than those named.
    cold_margin
        By how much it may lie under the raw vectors on cold documents; None for any.
    champion_margin
        By how much it may lie under the version that it would replace; None for any.
    diagnoses
        No diagnosis in its record.
    near_duplicates, shared_documents
        Shares of the test queries that may leak into train; None for any.
    baseline, gain
        A floor, and the points by measure that it must be exceeded by.
    least
        The least figure by measure.
    latency_ms_p95, bytes
        Limits of ranking one query and of the tensors; None for any.
    undecided
        What an interval means that does not say.
    """

    confirmed: bool = False
    floors: Annotated[bool | tuple[str, ...], BeforeValidator(_several)] = True
    cold_margin: float | None = Field(0.02, ge=0, le=1)
    champion_margin: float | None = Field(0.02, ge=0, le=1)
    diagnoses: bool = True
    near_duplicates: float | None = Field(None, ge=0, le=1)
    shared_documents: float | None = Field(None, ge=0, le=1)
    baseline: str = "raw"
    gain: dict[str, float] = Field(default_factory=dict)
    least: dict[str, float] = Field(default_factory=dict)
    latency_ms_p95: float | None = Field(None, gt=0)
    bytes: int | None = Field(None, gt=0)
    undecided: Literal["refuse", "pass"] = "refuse"

    def named(self) -> dict[KeyPath, str]:
        """Return the floors that are named, by the place of the name."""
        floors = () if isinstance(self.floors, bool) else self.floors
        baseline: dict[KeyPath, str] = {("baseline",): self.baseline} if self.gain else {}
        return {("floors", place): name for place, name in enumerate(floors)} | baseline


def _gates(value: Any) -> Any:
    off = {"floors": False, "cold_margin": None, "champion_margin": None, "diagnoses": False}
    return off if value == "none" else value


def _systems(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"choice"}:
        value = value["choice"]
    return _several(value)


def _storage(value: str | None) -> str | None:
    if value is not None and safe(value) != value:
        raise ValueError("the address holds a secret; give it in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if value is not None and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.=-]+)*/?", value):
        raise ValueError("write s3://BUCKET or s3://BUCKET/PREFIX")
    return value


class Spec(Strict):
    """A validated sweep file; see the guide in docs/ for every key."""

    name: str = Field(pattern=NAME)
    task: dict[str, Any]
    system: Annotated[tuple[str, ...], BeforeValidator(_systems)] = Field(min_length=1)
    evaluate: tuple[dict[str, Any], ...] = ()
    measure: Annotated[tuple[str, ...], BeforeValidator(_several)] = Field(("nDCG@10",), min_length=1)
    cold: float = Field(0.2, ge=0, le=0.9)
    fixed: dict[str, Single] = Field(default_factory=dict)
    space: dict[str, Domain] = Field(default_factory=dict)
    start: tuple[dict[str, Any], ...] = ()
    search: Search = Search()
    pruner: Pruner = Pruner()
    stop: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    budget: Budget = Budget()
    resources: Resources = Resources()
    checkpoints: Checkpoints = Checkpoints()
    storage: Annotated[str | None, AfterValidator(_storage)] = None
    gates: Annotated[Gates, BeforeValidator(_gates)] = Gates()

    @property
    def objectives(self) -> list[Objective]:
        """What is optimised, the first one first."""
        return [Objective.parse(text) for text in self.measure]

    def measures(self) -> list[str]:
        """Return every measure to take: the objectives' own first, then those always taken."""
        own = [objective.name for objective in self.objectives if objective.view]
        return list(dict.fromkeys([*own, *ALWAYS]))
