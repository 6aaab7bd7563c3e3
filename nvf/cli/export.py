"""The command that takes a promoted model elsewhere."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nvf.cli.options import AsJson, print_json


class Format(StrEnum):
    """What can be written."""

    sentence_transformers = "sentence-transformers"


def export(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="models:/NAME@champion, models:/NAME/3 or NAME")
    ] = None,
    to: Annotated[Format, typer.Option(help="what to write")] = Format.sentence_transformers,
    out: Annotated[Path, typer.Option(help="where: a folder that is not there yet")] = ...,  # type: ignore[assignment]
    json: AsJson = False,
) -> None:
    """Write a promoted model as a folder that SentenceTransformer loads."""
    from nvf.registry.export import to_sentence_transformers

    done = to_sentence_transformers(model, out)
    if json:
        print_json(asdict(done))
        return
    print(f"{done.model}, version {done.version} ({done.system}) -> {done.path}")
    if done.furthest is not None:
        print(f"checked: its scores are nvf's own to {done.furthest:.1g}, over a few dev queries")
    print(f'load it   SentenceTransformer("{done.path}")')


COMMANDS = (export,)
