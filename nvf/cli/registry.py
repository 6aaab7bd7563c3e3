"""Commands around the champion: confirm, promote, search, ui, sync."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from nvf.cli.options import Address, AsJson, SweepName, print_json

Model = Annotated[str | None, typer.Option(help="a registered model, e.g. models:/quickstart@champion")]
Text = Annotated[str, typer.Argument(metavar="TEXT", help="the question")]
Hits = Annotated[int, typer.Option("--top", min=1, help="how many answers")]


def promote(
    name: SweepName,
    trial: Annotated[int | None, typer.Option(min=0, help="a trial's number; the best on dev when left out")] = None,
    model: Annotated[str | None, typer.Option(help="name of the registered model; the sweep's when left out")] = None,
    alias: Annotated[str, typer.Option(help="the alias that shall point to it")] = "champion",
    json: AsJson = False,
) -> None:
    """Register the best trial's checkpoint as a model, check that it ranks as the trial did, and move the alias."""
    from nvf.journal.folders import find
    from nvf.registry.promote import promote as run

    find(name)
    done = run(name, trial=trial, model=model, alias=alias)
    if json:
        print_json(asdict(done))
        return
    where = f"models:/{done.model}@{done.alias}"
    print(f"promoted trial {done.trial:04d} of {name} ({done.system}) as {where}, version {done.version}")
    for caution in done.cautions:
        print(f"  caution: {caution}")
    print(f'ask it   nvf search "how do I ..." --model {where}')


def confirm(
    name: SweepName,
    top: Annotated[int, typer.Option(min=1, help="how many of the best settings on dev are finalists")] = 3,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="over how many seeds each is trained again")] = 5,
    trial: Annotated[list[int] | None, typer.Option(min=0, help="a finalist's number; may be given again")] = None,
    address: Address = None,
    json: AsJson = False,
) -> int:
    """Train the finalists again over seeds, then judge each once on the sealed test split."""
    import sys

    from nvf.cli import verdicts
    from nvf.cli.render import console
    from nvf.registry.confirm import confirm as run

    say = console(stderr=True)
    try:
        result = run(
            name,
            top=top,
            seeds=seeds,
            trials=trial or (),
            address=address,
            say=lambda line: say.print(line, style="dim"),
        )
    except KeyboardInterrupt:
        print("interrupted; what was trained is kept, and the same command goes on", file=sys.stderr)
        return 130
    if json:
        print_json(result)
        return 0
    out = console()
    for part in verdicts.confirmation(result):
        out.print(part)
    out.print(f"promote  nvf promote {name}")
    return 0


def search(text: Text, model: Model = None, top: Hits = 10, json: AsJson = False) -> None:
    """Ask the champion."""
    from nvf.registry.search import search as run

    hits = run(text, top, model)
    if json:
        print_json([asdict(hit) for hit in hits])
        return
    for hit in hits:
        print(f"{hit.rank:>3}  {hit.score:8.4f}  {hit.id}")
        if hit.text:
            print(f"               {' '.join(hit.text.split())[:160]}")


def ui(
    port: Annotated[int | None, typer.Option(help="the port to serve on")] = None,
    host: Annotated[str, typer.Option(help="the address to serve on")] = "127.0.0.1",
) -> None:
    """Serve the MLflow UI on mlruns/ until Ctrl-C."""
    from nvf.tracking.server import UI_PORT
    from nvf.tracking.ui import serve

    serve(port=port or UI_PORT, host=host)


def sync(name: SweepName, json: AsJson = False) -> None:
    """Bring MLflow level with the journal; doing it twice changes nothing."""
    from nvf.journal.folders import find
    from nvf.tracking.sync import sync as run

    report = run(find(name))
    print_json(asdict(report)) if json else print(report)


COMMANDS = (confirm, promote, search, ui, sync)
