"""One trial on one worker: opens the task, trains by epochs, publishes checkpoints, reports. Ray is not known here."""

from __future__ import annotations

import functools
import shutil
import traceback
from pathlib import Path

import torch

from nvf import systems
from nvf.errors import NvfError
from nvf.journal.objective import Objective
from nvf.sweep.orders import Order, Report
from nvf.tasks.base import Task
from nvf.tasks.snapshot import open_snapshot
from nvf.training import checkpoint
from nvf.training.loop import Training
from nvf.training.record import Record


class Worker:
    """Carries out one order, an epoch at a step."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self._folder = Path(order.checkpoints)
        self._objective = Objective.parse(order.objective)
        self._training: Training | None = None
        self._epoch = -1
        self._best: tuple[float, int] | None = None

    def step(self) -> Report:
        """Run the next epoch; a Python error comes back as a report, never as an exception."""
        try:
            return self._step()
        except NvfError as error:
            return Report(trial=self.order.trial, error=f"{type(error).__name__}: {error}")
        except Exception:
            return Report(trial=self.order.trial, error=traceback.format_exc(limit=-6))

    def _step(self) -> Report:
        if self._training is None:
            self._training = self._begin()
        training = self._training
        self._epoch += 1
        record = training.start() if self._epoch == 0 else training.epoch(self._epoch)
        published = epoch_folder(self._folder, self._epoch)
        digest = checkpoint.save(published, training, record)
        self._clear(record)
        return Report(
            trial=self.order.trial,
            record=record.to_json(),
            checkpoint={"folder": str(published), "digest": digest},
            final=self._epoch >= training.epochs,
        )

    def _begin(self) -> Training:
        order = self.order
        torch.set_num_threads(max(1, int(order.cpu)))
        device = "cuda" if order.gpu > 0 and torch.cuda.is_available() else "cpu"
        task = _task(order.task, order.cold, order.cold_seed)
        system = systems.create(order.system, order.params, task.corpus, device)
        training = Training(system, task, seed=order.seed, epochs=order.epochs, measures=order.measures)
        if order.resume is None:
            shutil.rmtree(self._folder, ignore_errors=True)
            return training
        checkpoint.resume(epoch_folder(self._folder, order.resume), training, order.digest)
        self._epoch = order.resume
        if order.best is not None:
            self._rate(checkpoint.load(epoch_folder(self._folder, order.best)).record)
        return training

    def _rate(self, record: Record) -> None:
        """Remember the best record: the journal's rule, by which epoch 0 counts only where there is no other."""
        value = self._objective.of(record.to_json())
        if value is None or (record.epoch == 0 and self._best is not None):
            return
        value *= self._objective.sign
        if self._best is None or self._best[1] == 0 or value > self._best[0]:
            self._best = (value, record.epoch)

    def _clear(self, record: Record) -> None:
        """Delete the checkpoints that nobody needs any more.

        The driver journals a record before it asks for the next epoch. So of the epochs before the last two, only the
        best is of use.
        """
        self._rate(record)
        keep = {self._epoch, self._epoch - 1, self._best[1] if self._best else 0}
        for other in self._folder.glob("epoch-*"):
            if int(other.name.removeprefix("epoch-")) not in keep:
                shutil.rmtree(other, ignore_errors=True)


def epoch_folder(folder: Path, epoch: int) -> Path:
    """Return where the checkpoint of `epoch` lies below a trial's folder."""
    return folder / f"epoch-{epoch:04d}"


@functools.lru_cache(maxsize=1)
def _task(folder: str, cold: float, seed: int) -> Task:
    """Open a task once per process: the next trial on the same worker finds it here."""
    return open_snapshot(Path(folder)).withhold(cold, seed)
