"""Which sources are hashed: every one that a trial runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nvf
from nvf.sweep.code import BESIDES, ROOMS, code

NVF = Path(nvf.__file__).parent
TRIAL = """
import sys
from nvf import systems, tasks
from nvf.systems.catalogue import catalogue
from nvf.training.floors import measure_floors
from nvf.training.loop import Training
from nvf.sweep import conductor, worker

task = tasks.build({"source": "synthetic", "documents": 30, "dim": 8, "train": 40, "dev": 9, "test": 1})
task = task.withhold(0.2, 0)
measure_floors(task, "dev", ["nDCG@10"])
training = Training(systems.create("linear", {}, task.corpus), task, seed=0, epochs=1, measures=["nDCG@10"])
training.start(), training.epoch(1)
for name in catalogue():
    assert name in systems.SYSTEMS
print(*(module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "nvf"), sep="\\n")
"""


def test_every_source_that_a_trial_runs_is_hashed() -> None:
    run = [sys.executable, "-c", TRIAL]
    loaded = subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()
    ran = {Path(path).relative_to(NVF).as_posix() for path in loaded}
    assert {"indexes/exact.py", "seeding.py", "params.py", "tasks/base.py", "systems/linear.py"} <= ran
    assert ran <= set(code())


def test_rooms_are_hashed_whole_and_nothing_that_only_shows() -> None:
    found = set(code())
    whole = {path.relative_to(NVF).as_posix() for room in ROOMS for path in (NVF / room).glob("*.py")}
    assert whole - found == set(BESIDES)
    assert not {name.split("/")[0] for name in found} & {"cli", "cluster", "registry", "tracking"}
