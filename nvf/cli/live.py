"""Live progress of a sweep: a line or two that renew themselves on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self

from rich.cells import cell_len
from rich.live import Live
from rich.text import Text

from nvf.cli.narration import above
from nvf.cli.render import console
from nvf.journal.replay import SweepState
from nvf.journal.underway import Underway

OFTEN = 0.2
"""Seconds between two looks at the state on a terminal."""


class Progress(ExitStack):
    """Shows a sweep's state; `watch` is handed to the driver. Prints to standard error."""

    def __init__(self) -> None:
        super().__init__()
        self._console = console(stderr=True)
        self._live = (
            Live(console=self._console, refresh_per_second=4, transient=True) if self._console.is_terminal else None
        )
        self._underway = Underway()

    def __enter__(self) -> Self:
        if self._live is not None:
            self.enter_context(self._live)
        self.enter_context(above(self._console))
        return self

    def watch(self, state: SweepState) -> None:
        """Show `state`, not more often than is of use."""
        parts = self._underway.parts(state, None if self._live is None else OFTEN)
        if parts is not None and self._live is not None:
            self._live.update(Text(packed(parts, self._console.width)))
        elif parts is not None:
            self._console.print("  ".join(parts))


def packed(parts: list[str], width: int) -> str:
    """Return parts in as few lines of `width` cells as hold them.

    >>> packed(["one", "two", "three"], 8)
    'one  two\\nthree'
    """
    shown = [parts[0]]
    for part in parts[1:]:
        if cell_len(shown[-1]) + 2 + cell_len(part) <= width:
            shown[-1] += f"  {part}"
        else:
            shown.append(part)
    return "\n".join(shown)
