"""Commands that bring back what was stored elsewhere: restore."""

from __future__ import annotations

from typing import Annotated

import typer

Where = Annotated[str, typer.Argument(metavar="STORAGE/NAME", help="e.g. s3://bucket/prefix/quickstart")]


def restore(where: Where) -> None:
    """Bring a sweep back from its copies on s3://. Journal and checkpoints, each checked by its digest."""
    from nvf.tracking.archive import restore as run

    folder = run(where)
    print(f"restored {folder}")
    print(f"next     nvf leaderboard {folder.name}, nvf sync {folder.name}, nvf resume {folder.name}")


COMMANDS = (restore,)
