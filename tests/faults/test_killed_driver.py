"""A driver that dies again and again, by SIGKILL, SIGTERM and SIGINT, and workers that are killed under it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import psutil
import pytest

from tests.e2e.home import Home
from tests.faults.equal import same
from tests.faults.long import LONG, lines

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.timeout(1800)]

DEATHS = int(os.environ.get("NVF_DEATHS", "20"))
"""How often the driver is killed; the milder signals strike a quarter as often."""


def go_on(home: Home) -> tuple[object, ...]:
    """Return the command that begins the sweep, or goes on with it."""
    return ("resume", "small") if lines(home) else ("sweep", home.spec(**LONG))


def strike(home: Home, process: subprocess.Popen[str], after: int, pause: float, with_: signal.Signals) -> bool:
    """Send a signal some journal lines and a moment from now; returns whether the process still ran."""
    goal = lines(home) + after
    while process.poll() is None and lines(home) < goal:
        time.sleep(0.002)
    time.sleep(pause)
    running = process.poll() is None
    process.send_signal(with_)
    process.communicate(timeout=120)
    return running


@pytest.mark.parametrize(
    ("with_", "deaths"),
    [(signal.SIGKILL, DEATHS), (signal.SIGTERM, max(1, DEATHS // 4)), (signal.SIGINT, max(1, DEATHS // 4))],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else str(value),
)
def test_a_driver_that_dies_again_and_again(home: Home, undisturbed: Home, with_: signal.Signals, deaths: int) -> None:
    dice = random.Random(with_)
    struck = 0
    for _ in range(deaths):
        struck += strike(home, home.start(*go_on(home)), dice.randint(0, 10), dice.uniform(0, 0.5), with_)
    assert struck > deaths // 2, "the sweep ended too early to be disturbed"
    code, _, err = home.run(*go_on(home))
    assert code == 0, err
    same(home, undisturbed)


def test_workers_that_are_killed(home: Home, undisturbed: Home) -> None:
    dice = random.Random(0)
    process = home.start("sweep", home.spec(**LONG))
    killed = 0
    while process.poll() is None and killed < max(1, DEATHS // 4):
        goal = lines(home) + dice.randint(5, 25)
        while process.poll() is None and lines(home) < goal:
            time.sleep(0.002)
        workers = [each for each in psutil.Process(process.pid).children(recursive=True) if is_trial(each)]
        if workers:
            dice.choice(workers).kill()
            killed += 1
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert killed, "no worker was there to be killed"
    same(home, undisturbed)


def is_trial(process: psutil.Process) -> bool:
    """Return whether a process is a Ray worker with a trial in it."""
    try:
        return "NvfTrainable" in " ".join(process.cmdline())
    except psutil.Error:
        return False
