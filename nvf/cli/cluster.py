"""Commands around machines: submit, doctor, stop."""

from __future__ import annotations

import os
import platform
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nvf.cli.options import AsJson, SweepName, print_json
from nvf.errors import SweepError

JobFile = Annotated[Path, typer.Argument(metavar="JOB.yaml", help="a job file, e.g. jobs/quickstart.yaml")]
Dashboard = Annotated[str | None, typer.Option(help="the cluster's job server, e.g. http://127.0.0.1:8265")]

STOPPED = ("sweep", "confirmation")
"""What may be: it goes on."""


def submit(
    job: JobFile,
    address: Dashboard = None,
    wait: Annotated[bool, typer.Option(help="follow the job's output to its end")] = True,
) -> int:
    """Run a sweep as a Ray Job on a cluster."""
    from nvf.cluster.submit import submit as run

    return run(job, address=address, wait=wait)


def doctor(json: AsJson = False) -> int:
    """Check this machine, the cluster and the tracking server. Closes the runs of drivers that died."""
    from nvf.cli.doctor import checks

    found = checks()
    if json:
        print_json([asdict(check) for check in found])
    else:
        from nvf.cli.render import console

        out = console()
        for check in found:
            out.print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<10} {check.text}")
    return 0 if all(check.ok for check in found) else 1


def stop(name: SweepName) -> None:
    """End a running sweep or confirmation gracefully. The command that it names goes on with it."""
    from nvf.journal import events, owner
    from nvf.journal.folders import find, running
    from nvf.registry.next_steps import goes_on

    folder = find(name)
    if not running(folder):
        raise SweepError(f"sweep '{name}' is not running")
    found = owner.of(folder)
    if found is None:
        raise SweepError(
            f"sweep '{name}' is running, but {folder / owner.FILE} does not say where: find its process there with "
            f"fuser {folder / events.FILE}, and end it with SIGTERM"
        )
    work = f"the {found.work} of sweep '{name}'" if found.work != "sweep" else f"sweep '{name}'"
    if found.work not in STOPPED:
        raise SweepError(f"nothing to stop: {work}, in {found}, takes a moment and ends by itself")
    if found.host != platform.node():
        raise SweepError(f"{work} runs on {found.host}: stop process {found.pid} there with SIGTERM")
    if not found.here():
        raise SweepError(
            f"{work} runs, but not in process {found.pid}, which {folder / owner.FILE} names: find it with "
            f"fuser {folder / events.FILE}, and end it with SIGTERM"
        )
    os.kill(found.pid, signal.SIGTERM)
    again = goes_on(name, events.read(folder)) if found.work == "confirmation" else f"nvf resume {name}"
    print(f"asked process {found.pid} to end {work}; go on with: {again}")


COMMANDS = (submit, doctor, stop)
