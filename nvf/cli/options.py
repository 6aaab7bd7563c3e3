"""Options that several commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nvf.cli.complete import models, sweeps
from nvf.errors import UsageError
from nvf.journal.folders import SweepFolder

SpecFile = Annotated[Path, typer.Argument(metavar="SPEC", help="a sweep file; nvf init writes a first one")]


def _is_there(context: typer.Context, name: str) -> str:
    """Return the name of a sweep that is there; another is refused before anything heavy is imported."""
    if not context.resilient_parsing:
        SweepFolder.find(name)
    return name


SweepName = Annotated[
    str, typer.Argument(metavar="NAME", help="the sweep's name", autocompletion=sweeps, callback=_is_there)
]
Version = Annotated[
    str | None,
    typer.Argument(metavar="MODEL", help="models:/NAME@champion, models:/NAME/3 or NAME", autocompletion=models),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]
Wide = Annotated[bool, typer.Option("--wide", help="show every column, wider than the terminal")]
Columns = Annotated[
    str | None, typer.Option(metavar="A,B,...", help="show these columns: the names in the table's head, parameters")
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="override a key of the file")]
TaskFile = Annotated[
    Path | None,
    typer.Option("--task", metavar="SPEC", help="a sweep file: answer over the corpus of its task instead"),
]
Address = Annotated[str | None, typer.Option(help="a Ray cluster that is there already: auto, or host:port")]
Trials = Annotated[int | None, typer.Option(min=1, help="how many trials in all")]
Time = Annotated[str | None, typer.Option(metavar="30m", help="how long at most: 90s, 30m, 1h30m")]


def seconds(text: str | None) -> float | None:
    """Return a duration option in seconds, or raise `UsageError`."""
    from nvf.spec.form import seconds as parse

    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"--time: {error}") from None


def task_of(spec: Path | None, overrides: list[str] | None) -> dict[str, Any] | None:
    """Return what stands under `task` in the file of `--task`, with `--set`; None where none is named."""
    if spec is None and overrides:
        raise UsageError("--set overrides a key of the file that --task names: name one")
    if spec is None:
        return None
    from nvf.sweep.spec import load

    return load(spec, list(overrides or []))[0].task


def chosen(columns: str | None) -> list[str] | None:
    """Return the names of a `--columns` option."""
    return None if columns is None else [name.strip() for name in columns.split(",") if name.strip()]


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output; a number that is not finite becomes null."""
    from nvf.plain import plain

    print(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False))
