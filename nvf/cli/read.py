"""Commands that read: floors, list, status, leaderboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nvf.cli.complete import sweeps
from nvf.cli.options import AsJson, Columns, Set, SpecFile, SweepName, Wide, chosen, print_json

if TYPE_CHECKING:
    from nvf.journal.replay import SweepState
    from nvf.journal.result import FloorsElsewhere
    from nvf.spec.form import Spec
    from nvf.tasks.base import Task

Split = Annotated[
    str | None,
    typer.Option(
        help="dev, or test, which may be looked at here: floors choose nothing  [default: dev, if there is one]"
    ),
]
Top = Annotated[int, typer.Option(min=1, help="how many trials to show")]
OptionalName = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="a sweep; all of them when left out", autocompletion=sweeps)
]


def floors(spec: SpecFile, split: Split = None, set_: Set = None, wide: Wide = False, json: AsJson = False) -> None:
    """Measure a task's floors and ceiling only. All, clean, cold."""
    from nvf import devices
    from nvf import tasks as rooms
    from nvf.cli.render import console
    from nvf.cli.render import floors as render
    from nvf.sweep.spec import load
    from nvf.tasks.snapshot import open_snapshot
    from nvf.training.floors import measure_floors

    loaded, _ = load(spec, list(set_ or []))
    with devices.using(loaded.resources.gpu):
        task = open_snapshot(rooms.build_snapshot(loaded.task)).withhold(loaded.cold, loaded.search.seed)
        split = split or ("dev" if len(task.split("dev")) else "test")
        measured = measure_floors(task, split, loaded.measures())
        besides = _elsewhere(task, loaded, split)
    report: dict[str, Any] = {
        "task": task.name,
        "split": split,
        "queries": measured.queries,
        "floors": measured.floors,
        "ceilings": measured.ceilings,
        "leaks": [leak for leak in task.leaks if leak.split == split],
        "notes": list(task.notes),
    }
    if besides is not None:
        report["evaluate"] = besides
    if json:
        print_json(report)
        return
    out = console(wide=wide)
    for part in render(report, out.width):
        out.print(part)
    if besides is not None:
        from nvf.cli.verdicts import floors_elsewhere

        for line in floors_elsewhere(besides, loaded.measures()[0], out.width):
            out.print(line)


def _elsewhere(task: Task, spec: Spec, split: str) -> FloorsElsewhere | None:
    """Return the floors of the tasks that are judged besides, or None."""
    if not spec.evaluate:
        return None
    from nvf.registry.elsewhere import Elsewhere

    return Elsewhere(task, spec.evaluate, spec.measures(), split).floors()


def leaderboard(
    name: SweepName, top: Top = 20, wide: Wide = False, columns: Columns = None, json: AsJson = False
) -> None:
    """Show a sweep's trials, best first, beside the floors. Its last confirmation and what to run next, too."""
    from nvf.cli.ending import ending, report
    from nvf.cli.render import console
    from nvf.cli.render import leaderboard as render

    told = report(name)
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
    from nvf.cli.render import OUTCOMES
    from nvf.journal.folders import find, running
    from nvf.journal.leaderboard import leaderboard as board_of

    state = _state(name)
    outcomes: list[str | None] = [trial.outcome for trial in state.trials.values()]
    board = board_of(state)
    died = state.status == "running" and not running(find(name))
    return {
        "sweep": name,
        "status": "died" if died else state.status,
        "reason": state.reason or None,
        "finished": state.finished,
        "trials": state.spec.search.trials,
        **{outcome: outcomes.count(outcome) for outcome in OUTCOMES},
        "open": outcomes.count(None),
        "best": next((row.value for row in board.judged), None),
        "measure": board.measure,
        "cold_by": board.cold_by,
        "task": state.started.task.name,
        "resume": f"nvf resume {name}" if died or state.status == "paused" else None,
    }


def _state(name: str) -> SweepState:
    from nvf.journal import events
    from nvf.journal.folders import find
    from nvf.journal.replay import replay

    return replay(events.read(find(name)))


COMMANDS = (floors, list_, status, leaderboard)
