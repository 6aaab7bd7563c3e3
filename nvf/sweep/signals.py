"""SIGINT, SIGTERM and SIGUSR1 end a sweep gracefully; a second one ends it at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Interrupted(KeyboardInterrupt):
    """The process was asked to end; `name` is the signal's."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@contextmanager
def raising() -> Iterator[None]:
    """Turn each of the signals into `Interrupted`, as Python does with SIGINT."""

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

    with _installed(handler):
        yield


@contextmanager
def _installed(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old if old is not None else signal.SIG_DFL)
