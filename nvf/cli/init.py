"""The command that begins: init."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from nvf.cli.options import AsJson
from nvf.errors import UsageError

Data = Annotated[
    Path | None,
    typer.Argument(metavar="DATA", help="a table of queries and texts, or a folder in BEIR's layout; else docstrings"),
]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="where to write it; by default DATA's name, here")]


def init(data: Data = None, out: Out = None, json: AsJson = False) -> None:
    """Write a first sweep file for your data, and check it."""
    from nvf.cli.render import console
    from nvf.cli.sweep import check
    from nvf.spec.first import file_for, first

    file = out or file_for(data)
    text = first(file, data)
    try:
        with file.open("x", encoding="utf-8") as fresh:
            fresh.write(text)
    except FileExistsError:
        raise UsageError(
            f"{file} is there already: nvf check {shlex.quote(str(file))} looks at it; --out names another"
        ) from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}; --out names another place") from None
    if json:
        check([str(file)], json=True)
        return
    console().print(f"written: {file}\n")
    check([str(file)])
    console().print(f"\nsearch   nvf sweep {shlex.quote(str(file))}")


COMMANDS = (init,)
