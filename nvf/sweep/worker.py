"""One trial on one worker: opens the task, trains by epochs, publishes checkpoints, reports. Ray is not known here."""

from __future__ import annotations

import functools
import json
import shutil
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from nvf import systems
from nvf.errors import NvfError
from nvf.measures.parse import parse
from nvf.tasks.base import Task
from nvf.tasks.snapshot import open_snapshot
from nvf.training import checkpoint
from nvf.training.loop import Training


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What a worker is told.

    Attributes
    ----------
    trial, system, params, seed, epochs
        As journaled in `trial_started`.
    task
        Folder of the task's snapshot.
    cold, cold_seed
        Share of the judged documents that is withheld, and the seed of the draw.
    measures
        What to measure on dev.
    checkpoints
        Folder of this trial's checkpoints.
    resume
        The last journaled epoch, after which the trial goes on; None for from the start.
    cpu, gpu
        What Ray gives the trial.
    """

    trial: int
    system: str
    params: dict[str, Any]
    seed: int
    epochs: int
    task: str
    cold: float
    cold_seed: int
    measures: tuple[str, ...]
    checkpoints: str
    resume: int | None
    cpu: float
    gpu: float

    def to_config(self) -> dict[str, Any]:
        """Return the order as plain data."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a worker says after an epoch: a record with its checkpoint, or an error.

    Attributes
    ----------
    trial
        Number of the trial.
    record
        The epoch's record as plain data, or None.
    checkpoint
        {folder, digest} of what was published with it, or None.
    final
        Whether this was the trial's last epoch.
    error
        What went wrong, or None.
    """

    trial: int
    record: dict[str, Any] | None = None
    checkpoint: dict[str, str] | None = None
    final: bool = False
    error: str | None = None

    def to_json(self) -> str:
        """Return the report as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Return the report that `to_json` wrote."""
        return cls(**json.loads(text))


class Worker:
    """Carries out one order, an epoch at a step."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self._training: Training | None = None
        self._epoch = -1

    def step(self) -> Report:
        """Run the next epoch; a Python error comes back as a report, never as an exception."""
        try:
            return self._step()
        except NvfError as error:
            return Report(trial=self.order.trial, error=f"{type(error).__name__}: {error}")
        except Exception:
            return Report(trial=self.order.trial, error=traceback.format_exc(limit=-6))

    def _step(self) -> Report:
        folder = Path(self.order.checkpoints)
        if self._training is None:
            self._training = self._begin(folder)
        training = self._training
        self._epoch += 1
        record = training.start() if self._epoch == 0 else training.epoch(self._epoch)
        published = epoch_folder(folder, self._epoch)
        digest = checkpoint.save(published, training, record)
        # The driver journals a record before it asks for the next epoch, so what lies two epochs back is either
        # the best so far or of no use any more.
        self._clear(folder, training)
        return Report(
            trial=self.order.trial,
            record=record.to_json(),
            checkpoint={"folder": str(published), "digest": digest},
            final=self._epoch >= training.epochs,
        )

    def _begin(self, folder: Path) -> Training:
        order = self.order
        torch.set_num_threads(max(1, int(order.cpu)))
        device = "cuda" if order.gpu > 0 and torch.cuda.is_available() else "cpu"
        task = _task(order.task, order.cold, order.cold_seed)
        system = systems.create(order.system, order.params, task.corpus, device)
        training = Training(
            system, task, seed=order.seed, epochs=order.epochs, measures=[parse(text) for text in order.measures]
        )
        if order.resume is not None:
            checkpoint.resume(epoch_folder(folder, order.resume), training)
            self._epoch = order.resume
        elif folder.exists():
            shutil.rmtree(folder)
        return training

    def _clear(self, folder: Path, training: Training) -> None:
        keep = {self._epoch, self._epoch - 1, training.best_epoch}
        for other in folder.glob("epoch-*"):
            if int(other.name.removeprefix("epoch-")) not in keep:
                shutil.rmtree(other, ignore_errors=True)


def epoch_folder(folder: Path, epoch: int) -> Path:
    """Return where the checkpoint of `epoch` lies below a trial's folder."""
    return folder / f"epoch-{epoch:04d}"


@functools.lru_cache(maxsize=1)
def _task(folder: str, cold: float, seed: int) -> Task:
    """Open a task once per process: the next trial on the same worker finds it here."""
    return open_snapshot(Path(folder)).withhold(cold, seed)
