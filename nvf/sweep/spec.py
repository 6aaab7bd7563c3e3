"""Reading a sweep file: its form, and what the form alone cannot say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nvf.errors import NvfError, SpecError, UsageError, nearest
from nvf.measures.objective import Objective
from nvf.measures.parse import parse
from nvf.spec.form import KeyPath, Misfit, Spec, blaming
from nvf.sweep.yaml_lines import Document

Bring = Callable[[Spec], None]


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
        raise document.explained(error, Spec) from None
    from nvf.sweep import brought

    try:
        (bring or brought.bring)(spec)
    except UsageError as error:
        raise SpecError(f"{document.path}: {error}") from None
    try:
        _check(spec)
    except Misfit as error:
        raise SpecError(document.problem(error.at, error.message)) from None
    return spec


def _check(spec: Spec) -> None:
    """Check what the form alone cannot: names and bounds of systems, measures, task options."""
    from nvf import tasks
    from nvf.losses import LOSSES
    from nvf.sweep import brought, pruner, sampler
    from nvf.sweep.space import Space
    from nvf.systems.catalogue import catalogue, diagnoses, transferring

    for place, measure in enumerate(spec.measure):
        with blaming("measure", *[place] * (len(spec.measure) > 1)):
            objective = Objective.parse(measure)
            if objective.view:
                parse(objective.name)
    with blaming("search", "sampler"):
        sampler.make(spec, 0)
    with blaming("pruner", "kind"):
        pruner.make(spec)
    for key, named in (("system", spec.system), ("measure", tuple(map(str, spec.objectives)))):
        if len(set(named)) < len(named):
            raise Misfit((key,), f"{', '.join(named)}: one stands here twice; keep one of the two")
    if len(spec.measure) > 1 and spec.pruner.kind != "none":
        raise Misfit(("pruner", "kind"), "a Pareto search is not pruned; use none")
    if any(objective.view == "cold" for objective in spec.objectives) and spec.cold == 0:
        raise Misfit(("cold",), "the measure needs cold documents; withhold a share above 0")
    if spec.pruner.kind != "none" and spec.pruner.min_epochs > spec.budget.epochs:
        raise Misfit(
            ("pruner", "min_epochs"), f"{spec.pruner.min_epochs} is more than budget.epochs = {spec.budget.epochs}"
        )
    Space(spec)
    for where, name in brought.losses(spec):
        with blaming(*where):
            LOSSES.find(name)
    for place, name in enumerate(spec.stop):
        if name not in diagnoses():
            raise Misfit(("stop", place), f"'{name}' is not a diagnosis that ends a trial{nearest(name, diagnoses())}")
    if len(spec.measure) > 1 and spec.stop:
        raise Misfit(("stop",), "a trial of a Pareto search is not ended early; leave it out")
    known = [name for name, entry in catalogue().items() if entry.kind == "floor"]
    for at, name in spec.gates.named().items():
        if name not in known:
            raise Misfit(("gates", *at), f"'{name}' is no floor{nearest(name, known)}")
    for gate, asked in (("gain", spec.gates.gain), ("least", spec.gates.least)):
        for measure in asked:
            if measure not in spec.measures():
                raise Misfit(
                    ("gates", gate, measure), f"'{measure}' is not measured{nearest(measure, spec.measures())}"
                )
    try:
        tasks.check(spec.task)
    except NvfError as error:
        raise Misfit(("task", *_mentioned(spec.task, str(error))), str(error)) from None
    for place, options in enumerate(spec.evaluate):
        try:
            tasks.check(options)
        except NvfError as error:
            raise Misfit(
                ("evaluate", place, *_mentioned(options, str(error))), str(error).replace("task", "evaluate", 1)
            ) from None
    for name in spec.system:
        if spec.evaluate and not catalogue()[name].transfers:
            raise Misfit(
                ("system",),
                f"what '{name}' learns is about the documents of its own task, so it cannot be judged on "
                f"those of `evaluate`; leave it out there, or take one of {transferring()}",
            )


def _mentioned(options: dict[str, Any], message: str) -> KeyPath:
    named = [name for name in options if f"'{name}'" in message or re.search(rf"(^| ){re.escape(name)}[. ]", message)]
    return (named[0],) if named else ()
