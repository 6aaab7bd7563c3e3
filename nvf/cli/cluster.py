"""Commands around machines: submit, doctor, stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nvf.cli.options import AsJson, SweepName, print_json

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
        print_json(found)
    else:
        from nvf.cli.render import console

        out = console()
        for check in found:
            out.print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<10} {check.text}")
    return 0 if all(check.ok for check in found) else 1


def stop(name: SweepName) -> None:
    """End a running sweep or confirmation gracefully. The command that it names goes on with it."""
    from nvf import api

    asked = api.open(name).stop()
    print(f"asked process {asked.pid} to end {asked.work}; go on with: {asked.again}")


COMMANDS = (submit, doctor, stop)
