"""The command that takes a promoted model elsewhere."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nvf.cli.options import AsJson, Version, print_json


class Format(StrEnum):
    """What can be written."""

    sentence_transformers = "sentence-transformers"
    trec = "trec"


def export(
    model: Version = None,
    *,
    to: Annotated[Format, typer.Option(help="what to write")],
    out: Annotated[Path, typer.Option(help="where: a folder, for trec a file, that is not there yet")],
    split: Annotated[str, typer.Option(help="trec: train, dev, or test where it was confirmed")] = "dev",
    depth: Annotated[int, typer.Option(min=1, help="trec: at most so many documents for each query")] = 1000,
    json: AsJson = False,
) -> None:
    """Write a promoted model as a folder that SentenceTransformer loads, or its answers as a TREC run file."""
    if to is Format.trec:
        _trec(model, split, out, depth, json)
    else:
        _sentence_transformers(model, out, json)


def _sentence_transformers(model: str | None, out: Path, json: bool) -> None:
    from nvf.registry.export import to_sentence_transformers

    done = to_sentence_transformers(model, out)
    if json:
        print_json(asdict(done))
        return
    print(f"{done.model}, version {done.version} ({done.system}) -> {done.path}")
    if done.furthest is not None:
        print(f"checked: its scores are nvf's own to {done.furthest:.1g}, over a few dev queries")
    print(f'load it  SentenceTransformer("{done.path}")')


def _trec(model: str | None, split: str, out: Path, depth: int, json: bool) -> None:
    from nvf.registry.run_file import to_trec

    done = to_trec(model, split, out, depth)
    if json:
        print_json(asdict(done))
        return
    print(
        f"{done.model}, version {done.version}: {done.lines} answers to {done.queries} {split} queries -> {done.path}"
    )
    if split == "test":
        print("this is in the journal: what is chosen now is chosen with test in view")


COMMANDS = (export,)
