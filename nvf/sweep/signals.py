"""SIGINT, SIGTERM and SIGUSR1 end a sweep gracefully; a second one ends it at once.

Python hears signals in its main thread alone: what runs in another one is ended by `interrupt`.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_elsewhere: list[Callable[[], None]] = []
"""What ends the work of other threads than the main one."""


class Interrupted(KeyboardInterrupt):
    """The process was asked to end; `name` is the signal's."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@contextmanager
def raising() -> Iterator[None]:
    """Turn each of the signals into `Interrupted`, as Python does with SIGINT; in its main thread, that is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(number: int, frame: FrameType | None) -> None:
        raise Interrupted(signal.Signals(number).name)

    with _installed(handler):
        yield


@contextmanager
def calling(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` on the first of the signals; raise `Interrupted` on the second."""
    seen: list[int] = []

    def handler(number: int, frame: FrameType | None) -> None:
        if seen:
            raise Interrupted(signal.Signals(number).name)
        seen.append(number)
        interrupt()

    if threading.current_thread() is threading.main_thread():
        with _installed(handler):
            yield
        return
    _elsewhere.append(interrupt)
    try:
        yield
    finally:
        _elsewhere.remove(interrupt)


def interrupt() -> bool:
    """End what runs in another thread of this process; returns whether anything does."""
    for each in [*_elsewhere]:
        each()
    return bool(_elsewhere)


@contextmanager
def _installed(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old if old is not None else signal.SIG_DFL)
