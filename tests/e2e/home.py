"""A home in which `nvf` runs as a user runs it: the installed command, real Ray, real MLflow on SQLite."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nvf.journal import events, replay

SPEC = """\
name: small
task: {source: synthetic, documents: 200, dim: 16, map: rotation, train: 1000, dev: 100, test: 100}
system: {choice: [linear, soft_attention]}
fixed: {batch_size: 100}
space:
  lr: {log: [0.001, 0.1]}
  linear.heads: {choice: [query, shared]}
start: [{system: linear, lr: 0.01}]
search: {sampler: tpe, trials: 20, seed: 1}
pruner: {kind: successive_halving, min_epochs: 1, reduction: 2}
budget: {epochs: 4}
resources: {cpu: CPU}
"""


@dataclass
class Home:
    """A folder with an mlruns/ of its own, in which `nvf` runs as a user would run it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    patience: float = 240
    """Seconds that `run` gives a command."""

    @property
    def database(self) -> str:
        """MLflow's address."""
        return f"sqlite:///{self.folder / 'mlruns' / 'mlflow.db'}"

    def sweep(self, name: str) -> Path:
        """The folder of a sweep."""
        return self.folder / "mlruns" / "sweeps" / name

    def spec(self, *, slots: int = 1, **changes: str) -> Path:
        """Write the small sweep so that `slots` trials run at a time; `changes` replace texts in it."""
        text = SPEC.replace("CPU", str(max(1, len(os.sched_getaffinity(0)) // slots)))
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        path = self.folder / "small.yaml"
        path.write_text(text)
        return path

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start `nvf ARGS...`."""
        command = [str(Path(sys.executable).with_name("nvf")), *map(str, arguments)]
        environment = {**os.environ, "NVF_MLRUNS": str(self.folder / "mlruns")}
        environment.pop("MLFLOW_TRACKING_URI", None)
        environment |= self.environment
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """Run `nvf ARGS...` to its end; returns exit code, standard output, standard error."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=self.patience)
        return process.returncode, out, err

    def state(self, name: str) -> replay.SweepState:
        """Return a sweep as journaled."""
        return replay.replay(events.read(self.sweep(name)))

    def interrupt(
        self,
        process: subprocess.Popen[str],
        name: str,
        when: Callable[[replay.SweepState], bool],
        with_: signal.Signals,
    ) -> float:
        """Send a signal as soon as the sweep's state is such; returns the seconds the process took to end."""
        self.wait(process, name, when)
        began = time.monotonic()
        process.send_signal(with_)
        process.wait(timeout=60)
        return time.monotonic() - began

    def wait(self, process: subprocess.Popen[str], name: str, when: Callable[[replay.SweepState], bool]) -> None:
        """Wait until the state of a running sweep is such."""
        journal = self.sweep(name) / events.FILE
        deadline, read, state = time.monotonic() + self.patience, b"", None
        while time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            if journal.exists() and (raw := journal.read_bytes()) != read:
                read, found = raw, events.parse(raw, journal)[0]
                state = replay.replay(found) if found else None
            if state is not None and when(state):
                return
            time.sleep(0.01)
        raise TimeoutError(f"the sweep {name} never came to that")
