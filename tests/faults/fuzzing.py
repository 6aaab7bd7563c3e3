"""Properties under drawn inputs: the same few in every run of the suite; hundreds, always others, under `faults`."""

from __future__ import annotations

import resource
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FEW, MANY = 25, 250
counts = pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.faults)])
SECONDS = 15
"""For one input; the slowest takes a tenth of it on an idle core."""
MEGABYTES = 400
"""By which all inputs together may raise the peak of this process."""

T = TypeVar("T")


def holds(check: Callable[[T], object], inputs: st.SearchStrategy[T], count: int) -> None:
    """Let `check` judge `count` of the inputs: none may fail, hang, or take more memory than is bearable."""

    def judged(drawn: T) -> None:
        check(drawn)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    settings(
        max_examples=count,
        deadline=timedelta(seconds=SECONDS),
        derandomize=count == FEW,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(given(inputs)(judged))()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    assert grown < MEGABYTES, f"the peak of memory grew by {grown} MB"
