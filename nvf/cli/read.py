"""Commands that read: floors, list, status, leaderboard."""

from __future__ import annotations

from typing import Annotated, Any

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
    from nvf.journal.folders import names

    rows = [_status(name)] if name else [_listed(each) for each in names()]
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


def _listed(name: str) -> dict[str, Any]:
    """Return what `_status` does; where the journal is damaged, that alone."""
    from nvf.cli.render import OUTCOMES
    from nvf.errors import JournalError

    try:
        return _status(name)
    except JournalError as error:
        none = dict.fromkeys(("finished", "trials", *OUTCOMES, "open", "best", "measure", "cold_by", "task", "resume"))
        return {"sweep": name, "status": "damaged", "reason": str(error), **none}


def _status(name: str) -> dict[str, Any]:
    from nvf import api
    from nvf.cli.render import OUTCOMES
    from nvf.journal.leaderboard import leaderboard as board_of
    from nvf.registry.next_steps import resumes

    sweep = api.open(name)
    state = sweep.state
    outcomes: list[str | None] = [trial.outcome for trial in state.trials.values()]
    board = board_of(state)
    status = sweep.standing(state)
    return {
        "sweep": name,
        "status": status,
        "reason": state.reason or None,
        "finished": state.finished,
        "trials": state.spec.search.trials,
        **{outcome: outcomes.count(outcome) for outcome in OUTCOMES},
        "open": outcomes.count(None),
        "best": next((row.value for row in board.judged), None),
        "measure": board.measure,
        "cold_by": board.cold_by,
        "task": state.started.task.name,
        "resume": resumes(state) if status in ("died", "paused") else None,
    }


COMMANDS = (floors, list_, status, leaderboard)
