"""Commands around the champion: confirm, promote, rollback, history, card, ui, sync."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from nvf.cli.complete import models
from nvf.cli.options import Address, AsJson, SweepName, Version, Wide, print_json

Registered = Annotated[str, typer.Argument(metavar="MODEL", help="name of a registered model", autocompletion=models)]
Alias = Annotated[str, typer.Option(help="the alias")]


def promote(
    name: SweepName,
    trial: Annotated[int | None, typer.Option(min=0, help="a trial's number; the best on dev when left out")] = None,
    model: Annotated[str | None, typer.Option(help="name of the registered model; the sweep's when left out")] = None,
    alias: Annotated[str, typer.Option(help="the alias that shall point to it")] = "champion",
    force: Annotated[str | None, typer.Option(help="overrule the gates, for a reason, which is written down")] = None,
    json: AsJson = False,
) -> None:
    """Put the best finalist through the gates and move the alias. It is registered, and has to rank as it did."""
    from nvf import api
    from nvf.cli.render import console
    from nvf.registry.gates import lines

    sweep = api.open(name)
    done = sweep.promote(trial=trial, model=model, alias=alias, force=force)
    if json:
        print_json(asdict(done))
        return
    where = f"models:/{done.model}@{done.alias}"
    out = console()
    out.print(f"promoted trial {done.trial:04d} of {name} ({done.system}) as {where}, version {done.version}")
    for line in lines(done.gates):
        out.print(line)
    for caution in done.cautions:
        out.print(f"  caution    {caution}")
    if sweep.state.started.task.encoder:  # bare vectors cannot be asked in words
        out.print(f'ask it   nvf search "how do I ..." --model {where}')


def rollback(
    model: Registered,
    alias: Alias = "champion",
    reason: Annotated[str | None, typer.Option(help="written down in the history")] = None,
    json: AsJson = False,
) -> None:
    """Point the alias at the version before. Again goes further back."""
    from nvf.registry.rollback import rollback as run

    done = run(model, alias, reason)
    print_json(done) if json else print(f"{model}@{alias}: version {done.before} -> {done.after}")


def history(model: Registered, alias: Alias = "champion", json: AsJson = False) -> None:
    """Show every move of an alias. When, who, from which version to which, and why."""
    from nvf.cli.render import console
    from nvf.registry.rollback import moves
    from nvf.text import when

    found = moves(model, alias)
    if json:
        print_json(found)
        return
    out = console()
    for move in found:
        came = f"sweep {move.detail.sweep}, trial {move.detail.trial:04d}" if move.kind == "promote" else ""
        why = f"forced: {move.forced}" if move.forced else move.detail.reason or ""
        from_to = f"{move.before or '-'} -> {move.after}"
        parts = (f"{move.number:>4}  {when(move.at)}  {move.who}  {move.kind:<8}  {from_to}", came, why)
        out.print("  ".join(part for part in parts if part), hang=6)


def card(
    model: Version = None,
    json: AsJson = False,
) -> None:
    """Print a version's model card, and what happened since."""
    from nvf.registry.shown import show

    shown = show(model)
    print_json(asdict(shown)) if json else print(shown.card, end="")


def confirm(
    name: SweepName,
    top: Annotated[int, typer.Option(min=1, help="how many of the best settings on dev are finalists")] = 3,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="over how many seeds each is trained again")] = 5,
    trial: Annotated[list[int] | None, typer.Option(min=0, help="a finalist's number; may be given again")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="the registered model whose champion is judged besides; by default the sweep's name"),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="train and judge once more what was confirmed before")] = False,
    address: Address = None,
    wide: Wide = False,
    json: AsJson = False,
) -> int:
    """Train the finalists again, then judge each once on test. Over seeds; test is sealed until then."""
    import sys

    from nvf import api
    from nvf.cli import verdicts
    from nvf.cli.render import console
    from nvf.registry.report import ending
    from nvf.sweep.signals import raising

    sweep = api.open(name)
    try:
        with raising():
            result = sweep.confirm(top=top, seeds=seeds, trials=trial or (), model=model, again=again, address=address)
    except KeyboardInterrupt:
        print("interrupted; what was trained is kept, and the same command goes on", file=sys.stderr)
        return 130
    if json:
        print_json(result)
        return 0
    out = console(wide=wide)
    for part in verdicts.confirmation(result, out.width):
        out.print(part)
    out.print()
    for line in ending(sweep.report()):
        out.print(line)
    return 0


def ui(
    port: Annotated[int | None, typer.Option(help="the port to serve on")] = None,
    host: Annotated[str, typer.Option(help="the address to serve on")] = "127.0.0.1",
) -> None:
    """Serve the MLflow UI on mlruns/ until Ctrl-C."""
    from nvf.tracking.server import UI_PORT
    from nvf.tracking.ui import serve

    serve(port=port or UI_PORT, host=host)


def sync(name: SweepName, json: AsJson = False) -> None:
    """Bring MLflow and the storage level with the journal. Doing it twice changes nothing."""
    from nvf.journal.folders import SweepFolder
    from nvf.tracking.archive import archive
    from nvf.tracking.sync import sync as run

    sweep = SweepFolder.find(name)
    report, copied = run(sweep), archive(sweep)
    if json:
        print_json(asdict(report) | {"storage": None if copied is None else asdict(copied)})
        return
    print(report)
    if copied is not None:
        print(copied)


COMMANDS = (confirm, promote, rollback, history, card, ui, sync)
