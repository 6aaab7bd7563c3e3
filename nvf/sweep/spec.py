"""Reading a sweep file: its form, and what the form alone cannot say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from nvf.errors import NvfError, SpecError, UsageError, nearest
from nvf.measures.objective import Objective
from nvf.measures.parse import parse
from nvf.spec.form import KeyPath, Spec
from nvf.sweep.yaml_lines import Document

Bring = Callable[[Spec], None]
MOST = 20
"""Problems of one file that are told at a time."""


def load(path: Path, overrides: list[str] | None = None, *, bring: Bring | None = None) -> tuple[Spec, Document]:
    """Return the validated spec at `path`, with `--set` overrides, and the document it was read from.

    What it names as `module:Class` is loaded; `bring` does that instead, and may refuse.

    Raises
    ------
    SpecError
        With one line per problem: file, line, key, what was wrong, the nearest valid key.
    """
    document = Document.read(path, overrides or [])
    return validated(document, bring=bring), document


def validated(document: Document, *, bring: Bring | None = None) -> Spec:
    """Return the spec that a document holds: see `load`."""
    try:
        spec = Spec.model_validate(document.data)
    except ValidationError as error:
        raise SpecError("\n".join(_lines(document, error))) from None
    from nvf.sweep import brought

    try:
        (bring or brought.bring)(spec)
    except UsageError as error:
        raise SpecError(f"{document.path}: {error}") from None
    _check(spec, document)
    return spec


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
    from nvf.losses import LOSSES
    from nvf.sweep import brought, pruner, sampler
    from nvf.sweep.space import Space
    from nvf.systems.catalogue import catalogue, diagnoses, transferring

    def fail(at: KeyPath, error: NvfError | str) -> NoReturn:
        raise SpecError(document.problem(at, str(error)))

    for place, measure in enumerate(spec.measure):
        try:
            objective = Objective.parse(measure)
            if objective.view:
                parse(objective.name)
        except UsageError as error:
            fail(("measure",) if len(spec.measure) == 1 else ("measure", place), error)
    for key, make in ("search.sampler", lambda: sampler.make(spec, 0)), ("pruner.kind", lambda: pruner.make(spec)):
        try:
            make()
        except UsageError as error:
            fail(tuple(key.split(".")), error)
    for key, named in (("system", spec.system), ("measure", tuple(map(str, spec.objectives)))):
        if len(set(named)) < len(named):
            fail((key,), f"{', '.join(named)}: one stands here twice; keep one of the two")
    if len(spec.measure) > 1 and spec.pruner.kind != "none":
        fail(("pruner", "kind"), "a Pareto search is not pruned; use none")
    if any(objective.view == "cold" for objective in spec.objectives) and spec.cold == 0:
        fail(("cold",), "the measure needs cold documents; withhold a share above 0")
    if spec.pruner.kind != "none" and spec.pruner.min_epochs > spec.budget.epochs:
        fail(("pruner", "min_epochs"), f"{spec.pruner.min_epochs} is more than budget.epochs = {spec.budget.epochs}")
    Space(spec, fail)
    for where, name in brought.losses(spec):
        try:
            LOSSES.find(name)
        except UsageError as error:
            fail(where, error)
    for place, name in enumerate(spec.stop):
        if name not in diagnoses():
            fail(("stop", place), f"'{name}' is not a diagnosis that ends a trial{nearest(name, diagnoses())}")
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
