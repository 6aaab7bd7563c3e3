"""Commands around machines: submit, doctor, stop."""

from __future__ import annotations

import os
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nvf.cli.options import AsJson, SweepName, print_json
from nvf.errors import SweepError

JobFile = Annotated[Path, typer.Argument(metavar="JOB.yaml", help="a job file, e.g. jobs/quickstart.yaml")]
Dashboard = Annotated[str | None, typer.Option(help="the cluster's job server, e.g. http://127.0.0.1:8265")]


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
    """End a running sweep gracefully. nvf resume goes on with it."""
    from nvf.journal import events
    from nvf.journal.folders import find, running

    folder = find(name)
    if not running(folder):
        raise SweepError(f"sweep '{name}' is not running")
    driver = [event for event in events.read(folder) if event["kind"] in ("sweep_started", "sweep_resumed")][-1]
    host, pid = driver["clock"]["host"], driver["clock"]["pid"]
    if host != os.uname().nodename:
        raise SweepError(f"sweep '{name}' is driven from {host}: stop process {pid} there with SIGTERM")
    os.kill(pid, signal.SIGTERM)
    print(f"asked process {pid} to end sweep '{name}'; go on with: nvf resume {name}")


COMMANDS = (submit, doctor, stop)
