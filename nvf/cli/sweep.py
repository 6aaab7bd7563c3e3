"""Commands that search: sweep, resume, check."""

from __future__ import annotations

import shlex
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from nvf.cli.options import Address, AsJson, Set, SpecFile, SweepName, Time, Trials, print_json, seconds

if TYPE_CHECKING:
    from nvf.api import Sweep
    from nvf.sweep.preview import Cost
    from nvf.tasks.outline import Look

Name = Annotated[str | None, typer.Option(help="another name for the sweep")]
Accept = Annotated[
    bool, typer.Option("--accept-changes", help="go on with a file, task, code or versions that have changed since")
]
Allow = Annotated[
    list[str] | None,
    typer.Option(metavar="MODULE:CLASS", help="load this class, which the journal names; repeat for more"),
]
SpecFiles = Annotated[list[str], typer.Argument(metavar="SPEC...", help="sweep files")]


def sweep(
    spec: SpecFile,
    name: Name = None,
    trials: Trials = None,
    time: Time = None,
    set_: Set = None,
    address: Address = None,
    json: AsJson = False,
) -> int:
    """Run a sweep to its end. Prints the leaderboard, the link into the MLflow UI and the next command."""
    from nvf import api
    from nvf.cli.live import Progress
    from nvf.sweep.spec import load

    overrides = list(set_ or [])
    overrides += [f'name="{name}"'] if name else []  # quoted: a name of digits stays a name
    overrides += [f"search.trials={trials}"] if trials else []
    overrides += [f"budget.time={time}"] if time else []
    loaded, document = load(spec, overrides)
    try:
        with Progress() as progress:
            done = api.start(loaded, document, overrides, address=address, watch=progress.watch)
    except KeyboardInterrupt as interrupt:
        again = shlex.join(["nvf", "sweep", str(spec), *(f"--set={override}" for override in overrides)])
        print(f"interrupted ({interrupt or 'SIGINT'}) before the first trial; go on with: {again}", file=sys.stderr)
        return 130
    return _finish(done, as_json=json)


def resume(
    name: SweepName,
    trials: Trials = None,
    time: Time = None,
    accept_changes: Accept = False,
    allow: Allow = None,
    address: Address = None,
    json: AsJson = False,
) -> int:
    """Go on with a sweep after any death, or extend a finished one."""
    from nvf import api
    from nvf.cli.live import Progress

    with Progress() as progress:
        done = api.open(name).resume(
            trials=trials,
            time=seconds(time),
            accept_changes=accept_changes,
            allow=allow or (),
            address=address,
            watch=progress.watch,
            raises=False,
        )
    return _finish(done, as_json=json)


def check(specs: SpecFiles, set_: Set = None, json: AsJson = False) -> None:
    """Validate files, look at their data. Prints sampled settings, resources and a cost estimate; runs nothing."""
    from nvf.cli.render import console, setting
    from nvf.sweep.preview import preview

    previews = [preview(path, list(set_ or [])) for path in specs]
    if json:
        print_json(previews)
        return
    out = console()
    for each in previews:
        out.print(f"{each.file}: valid; sweep '{each.name}'")
        out.print(f"  task      {', '.join(f'{name} {value}' for name, value in each.task.items())}")
        for seen in each.data:
            out.print(f"  data      {_data(seen)}")
            for note in seen.notes:
                out.print(f"            {note}")
        least = "" if each.settings < each.trials else "at least "
        out.print(f"  settings  {least}{each.settings:,} for {each.trials:,} trials")
        for warning in each.warnings:
            out.print(f"  warning   {warning}")
        out.print(f"  resources {each.resources.cpu:g} CPU and {each.resources.gpu:g} GPU a trial")
        out.print(f"  cost      {_cost(each.trials, each.cost)}")
        for sample in each.samples:
            kind = "start" if sample.start else "sample"
            out.print(f"  {kind:<9} {sample.system}  {setting(sample.params)}")


def _data(seen: Look) -> str:
    """Return what a task's files hold, in one line."""
    documents = "documents not counted" if seen.documents is None else f"{seen.documents:,} documents"
    counts = [split if count is None else f"{count:,} {split}" for split, count in seen.queries.items()]
    queries = ", ".join(counts)
    carved = ", ".join(f"{share:.0%} of them become {split}" for split, share in seen.carved.items())
    return f"{seen.name}: {documents}; queries: {queries}{f' ({carved})' if carved else ''}"


def _cost(trials: int, cost: Cost) -> str:
    """Return trials and epochs at most, and minutes of one slot where earlier sweeps tell how long an epoch takes."""
    text = f"at most {trials} trials x {cost.epochs_per_trial} epochs = {cost.epochs} epochs"
    if cost.time is not None:
        text += f", ended after {cost.time / 60:.0f} min"
    seconds = cost.seconds_per_epoch
    if seconds is None:
        return f"{text}; no earlier sweep of this task tells how long an epoch takes"
    return f"{text}; about {cost.epochs * seconds / 60:.0f} min on one slot, at {seconds:.1f} s an epoch as before"


def _finish(done: Sweep, *, as_json: bool) -> int:
    from nvf.cli.render import console, leaderboard
    from nvf.registry.next_steps import resumes
    from nvf.registry.report import ending

    state, name, told = done.state, done.name, done.report()
    if as_json:
        print_json(told.to_json())
    else:
        out = console()
        for part in leaderboard(told.board, out.width):
            out.print(part)
        out.print()
        if done.behind:
            out.print(f"MLflow is {done.behind} events behind the journal: nvf sync {name}")
        if done.link:
            out.print(f"runs     nvf ui, then {done.link}")
        if state.status == "ended" or state.reason == "time":
            for line in ending(told):
                out.print(line)
    if state.reason == "interrupt":
        print(f"interrupted; go on with: {resumes(state)}", file=sys.stderr)
        return 128 + signal.SIGINT
    if state.error:
        print(f"stopped: {state.error}; when that is mended: {resumes(state)}", file=sys.stderr)
        return 1
    if state.reason == "time":
        print("the time is over", file=sys.stderr)
    nothing = state.status == "ended" and not told.board.judged
    return 1 if state.reason == "error" or nothing else 0


COMMANDS = (sweep, resume, check)
