"""What nvf logs while a command runs, and how far it is: on standard error, dimly."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nvf.progress import reporting, show

if TYPE_CHECKING:
    from rich.console import Console


class _Printer(logging.Handler):
    """Prints each record; above the live progress where there is one."""

    above: Console | None = None

    def emit(self, record: logging.LogRecord) -> None:
        from nvf.cli.render import console

        (self.above or console(stderr=True)).print(record.getMessage(), style="dim")


_PRINTER = _Printer(logging.INFO)


@contextmanager
def narrated() -> Iterator[None]:
    """Print what nvf logs and how far it is, for as long as a command runs."""
    log = logging.getLogger("nvf")
    before = log.level, log.propagate
    log.setLevel(logging.INFO)
    log.propagate = False  # what others hang on the root logger would print it once more
    log.addHandler(_PRINTER)
    try:
        with reporting(show):
            yield
    finally:
        log.removeHandler(_PRINTER)
        log.level, log.propagate = before


@contextmanager
def above(live: Console) -> Iterator[None]:
    """Print above what is live on a console."""
    _PRINTER.above = live
    try:
        yield
    finally:
        _PRINTER.above = None
