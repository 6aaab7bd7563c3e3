"""Eight at once want to go on with one sweep."""

from __future__ import annotations

import re
import signal

import pytest

from tests.e2e.home import Home
from tests.faults.equal import same
from tests.faults.long import LONG

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.timeout(600)]


def test_one_of_eight_resumes_runs_and_seven_are_told_who_does(home: Home, undisturbed: Home) -> None:
    started = home.start("sweep", home.spec(**LONG))
    home.interrupt(started, "small", lambda state: state.finished > 5, signal.SIGINT)
    racing = [home.start("resume", "small") for _ in range(8)]
    ends = [(process, *process.communicate(timeout=300)) for process in racing]
    (winner,) = [process for process, _, _ in ends if process.returncode == 0]
    for process, out, err in ends:
        if process is not winner:
            assert process.returncode == 1 and not out
            assert re.search(rf"being written by process {winner.pid} on \S+ since 20.* running already", err), err
            assert "Traceback" not in err
    same(home, undisturbed)
