"""Commands that read: floors, list, status, leaderboard."""

from __future__ import annotations

from typing import Annotated

import typer

from nvf.cli.complete import sweeps
from nvf.cli.options import AsJson, Columns, Set, SpecFile, SweepName, Wide, chosen, print_json

Split = Annotated[
    str | None,
    typer.Option(
        help="dev, or test, which may be looked at here: floors choose nothing  [default: dev, if there is one]"
    ),
]
Top = Annotated[int, typer.Option(min=1, help="how many trials to show")]
OptionalName = Annotated[
    str | None, typer.Argument(metavar="NAME", help="a sweep; all of them when left out", autocompletion=sweeps)
]


def floors(spec: SpecFile, split: Split = None, set_: Set = None, wide: Wide = False, json: AsJson = False) -> None:
    """Measure a task's floors and ceiling only. All, clean, cold."""
    from nvf import api
    from nvf.cli.render import console
    from nvf.cli.render import floors as render
    from nvf.plain import plain
    from nvf.sweep.spec import load

    loaded, _ = load(spec, list(set_ or []))
    found = api.floors(loaded, split)
    if json:
        told = plain(found)
        print_json(told if found.evaluate else {key: value for key, value in told.items() if key != "evaluate"})
        return
    out = console(wide=wide)
    for part in render(found, out.width):
        out.print(part)
    if found.evaluate is not None:
        from nvf.cli.verdicts import floors_elsewhere

        for line in floors_elsewhere(found.evaluate, loaded.measures()[0], out.width):
            out.print(line)


def leaderboard(
    name: SweepName, top: Top = 20, wide: Wide = False, columns: Columns = None, json: AsJson = False
) -> None:
    """Show a sweep's trials, best first, beside the floors. Its last confirmation and what to run next, too."""
    from nvf import api
    from nvf.cli.render import console
    from nvf.cli.render import leaderboard as render
    from nvf.registry.report import ending

    told = api.open(name).report()
    if json:
        print_json(told.to_json())
        return
    out = console(wide=wide)
    for part in render(told.board, out.width, top, chosen(columns)):
        out.print(part)
    if told.confirmation is not None:
        from nvf.cli.verdicts import confirmation

        out.print()
        for part in confirmation(told.confirmation, out.width):
            out.print(part)
    out.print()
    for line in ending(told):
        out.print(line)


def status(name: OptionalName = None, wide: Wide = False, columns: Columns = None, json: AsJson = False) -> None:
    """Say how far a sweep is. All sweeps when no name is given."""
    from nvf.cli.render import console, sweeps
    from nvf.journal.folders import SweepFolder
    from nvf.registry.report import standing, standings

    rows = [standing(SweepFolder.find(name))] if name else standings()
    if json:
        print_json(rows)
        return
    out = console(wide=wide)
    for part in sweeps(rows, out.width, chosen(columns)):
        out.print(part)


def list_(wide: Wide = False, columns: Columns = None, json: AsJson = False) -> None:
    """List all sweeps."""
    status(None, wide, columns, json)


list_.__name__ = "list"


COMMANDS = (floors, list_, status, leaderboard)
