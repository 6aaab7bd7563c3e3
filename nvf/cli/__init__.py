"""The face of nvf: parses, calls, prints. Heavy libraries are imported by the commands that need them."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from nvf import __version__
from nvf.cli import cluster, describe, export, init, read, registry, reproduce, restore, search, sweep
from nvf.cli.narration import narrated
from nvf.errors import NvfError
from nvf.redaction import safe

# typer brings a click of its own and does not name its base error: it is BadParameter > UsageError > this.
ClickError: Any = typer.BadParameter.__bases__[0].__bases__[0]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"nvf {__version__}")
        raise typer.Exit


@app.callback(help="Find, prove and promote the best retriever a team can train over frozen embeddings.")
def _nvf(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="print nvf's version")
    ] = False,
) -> None:
    """Take the options of `nvf` itself, which stand before a command."""


for group in (init, sweep, describe, read, registry, search, export, reproduce, restore, cluster):
    for command in group.COMMANDS:
        app.command()(command)


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 failed, 2 wrong usage or an invalid file, 3 refused by a gate, 130 interrupted.
    """
    try:
        with narrated():
            result = app(standalone_mode=False)
    except NvfError as error:
        from nvf.cli.render import console

        console(stderr=True).print(f"error: {safe(str(error))}")
        sys.exit(error.exit_code)
    except ClickError as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)
