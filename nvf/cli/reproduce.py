"""The command that trains a trial again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nvf.cli.options import AsJson, print_json

if TYPE_CHECKING:
    from nvf.registry.agreement import Difference
    from nvf.registry.reproduce import Reproduction

Run = Annotated[str, typer.Argument(metavar="RUN", help="SWEEP/TRIAL, e.g. quickstart/7, or the id of an MLflow run")]
Tolerance = Annotated[float, typer.Option(min=0, help="by how much a figure may differ and still be close")]


def reproduce(run: Run, tolerance: Tolerance = 1e-3, json: AsJson = False) -> int:
    """Train a trial again from its record. Compares every journaled figure; exit code 1 where they differ."""
    from nvf.cli.render import console
    from nvf.registry.reproduce import reproduce as train

    report = train(run, tolerance=tolerance)
    if json:
        print_json(report)
    else:
        out = console()
        for line in lines(report):
            out.print(line)
    return 1 if report.agreement.verdict == "different" else 0


def lines(report: Reproduction) -> list[str]:
    """Return what came out, in words."""
    found = report.agreement
    threads = f"{report.threads} thread{'s' if report.threads > 1 else ''}"
    told = {
        "equal": f"equal: all {found.figures:,} figures are the same to the bit",
        "close": f"close: {found.differing:,} of {found.figures:,} figures differ, none by more than "
        f"{found.tolerance:g}",
        "different": f"DIFFERENT: {found.differing:,} of {found.figures:,} figures differ, some by more than "
        f"{found.tolerance:g}",
    }
    return [
        f"trial {report.trial:04d} of {report.sweep} ({report.system}), trained again through epoch {report.epochs} "
        f"on {threads}",
        told[found.verdict],
        *(
            [f"checkpoints: {report.same} of {report.checkpoints} are the same to the byte"]
            if report.checkpoints
            else []
        ),
        *map(_line, found.differences),
        *(f"changed since: {change}" for change in report.changed or ["nothing that the journal tells"]),
    ]


def _line(difference: Difference) -> str:
    then, now = ("none" if value is None else repr(value) for value in (difference.journaled, difference.found))
    return f"  epoch {difference.epoch}  {difference.figure}: {then} journaled, {now} now"


COMMANDS = (reproduce,)
