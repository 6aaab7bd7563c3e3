"""The sweep file: what is searched, over which parameters, and for how long."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    Field,
    ValidationError,
)

from nvf.errors import MeasureError, NvfError, SpecError, nearest
from nvf.journal.objective import Objective
from nvf.redaction import safe
from nvf.sweep.domain import Domain, Single, Strict
from nvf.sweep.yaml_lines import Document, KeyPath

NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
STOPPING = (
    "residual_collapse",
    "embedding_collapse",
    "split_objective",
    "memorisation",
    "harmful_reranker",
    "buries_new_documents",
    "loss_misleads",
)
"""What may end a trial, where `stop` names it."""
ALWAYS = ("nDCG@10", "R@1", "R@5", "R@10", "Success@1", "RR@10")
"""Measured in every sweep, whatever it optimises."""
MOST = 20
"""Problems of one file that are told at a time."""


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

    sampler: Literal["tpe", "random"] = "tpe"
    trials: int = Field(20, ge=1, le=100_000)
    seed: int = Field(0, ge=0, lt=2**31)


class Pruner(Strict):
    """Which of Optuna's pruners ends hopeless trials, and from which epoch on."""

    kind: Literal["none", "median", "successive_halving", "hyperband", "patience"] = "none"
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


def load(path: Path, overrides: list[str] | None = None) -> tuple[Spec, Document]:
    """Return the validated spec at `path`, with `--set` overrides, and the document it was read from.

    Raises
    ------
    SpecError
        With one line per problem: file, line, key, what was wrong, the nearest valid key.
    """
    document = Document.read(path, overrides or [])
    try:
        spec = Spec.model_validate(document.data)
    except ValidationError as error:
        raise SpecError("\n".join(_lines(document, error))) from None
    _check(spec, document)
    return spec, document


def _lines(document: Document, error: ValidationError) -> list[str]:
    problems = error.errors()
    more = [f"{document.path}: {len(problems) - MOST:,} more problems"] if len(problems) > MOST else []
    return [document.problem(*_problem(problem, document.data)) for problem in problems[:MOST]] + more


def _problem(problem: Any, data: dict[str, Any]) -> tuple[KeyPath, str]:
    at: list[str | int] = []
    place: Any = data
    for part in problem["loc"]:
        # pydantic adds the names of union members and validators to the path: keep what is really in the file.
        if isinstance(place, dict) and part in place or isinstance(place, list) and isinstance(part, int):
            place = place[part]
        elif problem["type"] != "missing":
            continue
        at.append(part)
    match problem["type"]:
        case "extra_forbidden":
            model: Any = Spec
            for part in at[:-1]:
                model = model.model_fields[part].annotation
            return tuple(at), f"unknown key '{at[-1]}'{nearest(str(at[-1]), model.model_fields)}"
        case "missing":
            return tuple(at), "this key is missing"
        case "string_pattern_mismatch":
            return tuple(at), f"'{problem['input']}' is no name: use a-z, 0-9, '.', '_', '-', at most 64 of them"
    message = problem["msg"].removeprefix("Value error, ")
    shown = f" (it is {problem['input']!r})" if not isinstance(problem["input"], dict | list | tuple) else ""
    return tuple(at), message[0].lower() + message[1:] + shown


def _check(spec: Spec, document: Document) -> None:
    """Check what the form alone cannot: names and bounds of systems, measures, task options."""
    from nvf import tasks
    from nvf.sweep.space import Space
    from nvf.systems.catalogue import catalogue, transferring

    def fail(at: KeyPath, error: NvfError | str) -> NoReturn:
        raise SpecError(document.problem(at, str(error)))

    for place, measure in enumerate(spec.measure):
        try:
            Objective.parse(measure)
        except MeasureError as error:
            fail(("measure",) if len(spec.measure) == 1 else ("measure", place), error)
    for key, named in (("system", spec.system), ("measure", tuple(map(str, spec.objectives)))):
        if len(set(named)) < len(named):
            fail((key,), f"{', '.join(named)}: one stands here twice; keep one of the two")
    if len(spec.measure) > 1 and spec.pruner.kind != "none":
        fail(("pruner", "kind"), "a Pareto search is not pruned; use none")
    if any(objective.view == "cold" for objective in spec.objectives) and spec.cold == 0:
        fail(("cold",), "the measure needs cold documents; withhold a share above 0")
    if spec.pruner.kind != "none" and spec.pruner.min_epochs > spec.budget.epochs:
        fail(("pruner", "min_epochs"), f"{spec.pruner.min_epochs} is more than budget.epochs = {spec.budget.epochs}")
    for place, name in enumerate(spec.stop):
        if name not in STOPPING:
            fail(("stop", place), f"'{name}' is not a diagnosis that ends a trial{nearest(name, STOPPING)}")
    if len(spec.measure) > 1 and spec.stop:
        fail(("stop",), "a trial of a Pareto search is not ended early; leave it out")
    known = [name for name, entry in catalogue().items() if entry.kind == "floor"]
    for at, name in spec.gates.named().items():
        if name not in known:
            fail(("gates", *at), f"'{name}' is no floor{nearest(name, known)}")
    for gate, asked in (("gain", spec.gates.gain), ("least", spec.gates.least)):
        for measure in asked:
            if measure not in spec.measures():
                fail(("gates", gate, measure), f"'{measure}' is not measured{nearest(measure, spec.measures())}")
    try:
        tasks.check(spec.task)
    except NvfError as error:
        fail(("task", *_mentioned(spec.task, str(error))), error)
    for place, options in enumerate(spec.evaluate):
        try:
            tasks.check(options)
        except NvfError as error:
            fail(("evaluate", place, *_mentioned(options, str(error))), str(error).replace("task", "evaluate", 1))
    Space(spec, fail)
    for name in spec.system:
        if spec.evaluate and not catalogue()[name].transfers:
            fail(
                ("system",),
                f"what '{name}' learns is about the documents of its own task, so it cannot be judged on "
                f"those of `evaluate`; leave it out there, or take one of {transferring()}",
            )


def _mentioned(options: dict[str, Any], message: str) -> KeyPath:
    named = [name for name in options if f"'{name}'" in message or re.search(rf"(^| ){re.escape(name)}[. ]", message)]
    return (named[0],) if named else ()
