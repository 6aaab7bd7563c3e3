"""The command that takes a promoted model elsewhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from nvf.cli.options import AsJson, Set, TaskFile, Version, print_json, task_of
from nvf.errors import UsageError


class Format(StrEnum):
    """What can be written."""

    sentence_transformers = "sentence-transformers"
    trec = "trec"


Split = Annotated[
    str | None,
    typer.Option(help="trec: train, dev, or test where it was confirmed  [default: dev, if there is one]"),
]


def export(
    model: Version = None,
    *,
    to: Annotated[Format, typer.Option(help="what to write")],
    out: Annotated[Path, typer.Option(help="where: a folder, for trec a file, that is not there yet")],
    split: Split = None,
    task: TaskFile = None,
    set_: Set = None,
    depth: Annotated[int, typer.Option(min=1, help="trec: at most so many documents for each query")] = 1000,
    json: AsJson = False,
) -> None:
    """Take a promoted model elsewhere. Writes a folder for SentenceTransformer, or a TREC run file."""
    other = task_of(task, set_)
    if to is Format.trec:
        _trec(model, split, out, depth, other, json)
    elif other is not None:
        raise UsageError("--task is for --to trec: a sentence-transformers folder ranks whatever texts it is given")
    else:
        _sentence_transformers(model, out, json)


def _sentence_transformers(model: str | None, out: Path, json: bool) -> None:
    from nvf.registry.export import to_sentence_transformers

    done = to_sentence_transformers(model, out)
    if json:
        print_json(done)
        return
    print(f"{done.model}, version {done.version} ({done.system}) -> {done.path}")
    if done.furthest is not None:
        print(f"checked: its scores are nvf's own to {done.furthest:.1g}, over a few dev queries")
    print(f'load it  SentenceTransformer("{done.path}")')


def _trec(
    model: str | None, split: str | None, out: Path, depth: int, other: dict[str, Any] | None, json: bool
) -> None:
    from nvf.registry.run_file import to_trec

    done = to_trec(model, split, out, depth, other)
    if json:
        print_json(done)
        return
    print(
        f"{done.model}, version {done.version}: {done.lines} answers to {done.queries} {done.split} queries of "
        f"{done.task} -> {done.path}"
    )
    if done.journal is not None:
        print(f"this is in the journal of {done.journal}: what is chosen now is chosen with test in view")
    elif done.split == "test":
        print("its sweep is not here, so no journal says that this test was opened")


COMMANDS = (export,)
