"""One trial on one worker: opens the task, trains by epochs, publishes checkpoints, reports. Ray is not known here."""

from __future__ import annotations

import errno
import functools
import gc
import os
import shutil
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from nvf import devices, systems
from nvf.errors import CheckpointError, NvfError
from nvf.journal.facts import Published
from nvf.journal.reserve import NO_ROOM
from nvf.measures.objective import Objective
from nvf.sweep.orders import Fault, Order, Report
from nvf.sweep.shelf import KEPT, epoch_folder
from nvf.tasks.base import Task
from nvf.tasks.snapshot import open_snapshot
from nvf.training import checkpoint, scarcity
from nvf.training.loop import Training
from nvf.training.record import Record

ROOM = 8 << 20
"""Bytes that a checkpoint leaves free on the disk: the journal goes on after checkpoints had to stop."""


class Worker:
    """Carries out one order, an epoch at a step."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self._folder = Path(order.checkpoints)
        self._objective = Objective.parse(order.objective)
        self._training: Training | None = None
        self._epoch = -1
        self._best: tuple[int, float] | None = None
        self._digests: dict[int, str] = dict(order.digests)
        self._faults: list[Fault] = []

    def step(self) -> Report:
        """Run the next epoch; a Python error comes back as a report, never as an exception."""
        report = self._attempt()
        faults, self._faults = tuple(self._faults), []
        return replace(report, faults=faults)

    def _attempt(self) -> Report:
        trial = self.order.trial
        try:
            return self._step()
        except NvfError as error:
            return Report(trial=trial, error=f"{type(error).__name__}: {error}")
        except Exception as error:
            if scarcity.out_of_memory(error):
                said = str(error).strip().splitlines() or [type(error).__name__]
                return Report(trial=trial, error=f"out of memory: {said[0]}", infeasible=True)
            return Report(trial=trial, error=traceback.format_exc(limit=-6))

    def _step(self) -> Report:
        if self._training is None:
            self._training = self._begin()
        training = self._training
        record = training.start() if self._epoch < 0 else training.epoch(self._epoch + 1)
        self._epoch = record.epoch
        return Report(
            trial=self.order.trial,
            record=record,
            checkpoint=self._publish(training, record),
            final=self._epoch >= training.epochs,
        )

    def _begin(self) -> Training:
        order = self.order
        torch.set_num_threads(max(1, int(order.cpu)))
        if order.halved:  # what it had with the larger batch is another's, on a GPU that trials share
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        if order.resume is None:
            shutil.rmtree(self._folder, ignore_errors=True)
            return self._fresh()
        self._best = order.best
        return self._restored(order.resume)

    def _fresh(self) -> Training:
        """Return the trial's training, not started yet."""
        order = self.order
        device = devices.needed(order.gpu)
        if order.code is not None:
            systems.SYSTEMS.bring(order.system, Path(order.code))
        task = _task(order.task, order.cold, order.cold_seed)
        system = systems.create(order.system, order.params, task.corpus, device)
        return Training(system, task, seed=order.seed, epochs=order.epochs, measures=order.measures)

    def _restored(self, last: int) -> Training:
        """Return the training as it stood after epoch `last`.

        It begins with the newest checkpoint that is whole, and trains what lies between once more, in silence: all
        randomness derives from (seed, epoch), so the same comes out, and the journal has it already.
        """
        training, start = self._fresh(), self._newest()
        told, self._digests = self._digests, {each: self._digests[each] for each in self._digests if each <= start}
        if start < 0:
            self._again(training, training.start(), told)
        else:
            folder = epoch_folder(self._folder, start)
            checkpoint.resume(folder, training, told[start], halved=self.order.halved)
            self._epoch = start
        while self._epoch < last:
            self._again(training, training.epoch(self._epoch + 1), told)
        return training

    def _newest(self) -> int:
        """Return the newest epoch whose checkpoint is whole, or -1; where the best one's is not, one before that."""
        damaged = []

        def whole(epoch: int) -> bool:
            try:
                checkpoint.load(epoch_folder(self._folder, epoch), self._digests[epoch])
            except CheckpointError as error:
                damaged.append(str(error))
                return False
            return True

        best = -1 if self._best is None else self._best[0]
        kept = sorted(self._digests, reverse=True)
        if best in kept and not whole(best):
            kept = [epoch for epoch in kept if epoch < best]
        newest = next((epoch for epoch in kept if whole(epoch)), -1)
        if damaged:
            again = "from the start" if newest < 0 else f"from epoch {newest} on"
            self._faults.append(Fault("checkpoint_damaged", f"{'; '.join(damaged)}: trained again {again}"))
        return newest

    def _again(self, training: Training, record: Record, told: Mapping[int, str]) -> None:
        """Publish an epoch a second time, and make sure that it is the one that was told."""
        self._epoch = record.epoch
        expected = told.get(record.epoch)
        published = self._publish(training, record)
        if expected is not None and published is not None and published.digest != expected and not self.order.halved:
            raise CheckpointError(
                f"the checkpoint of epoch {record.epoch} was damaged, and training it once more did not give the same: "
                "another machine, version or number of threads; this trial cannot be gone on with"
            )

    def _publish(self, training: Training, record: Record) -> Published | None:
        """Publish a checkpoint and return it, or None where the disk has no room for it."""
        published = epoch_folder(self._folder, record.epoch)
        self._rate(record)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self._folder).free < ROOM:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            digest = checkpoint.save(published, training, record)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            self._digests.pop(record.epoch, None)
            self._faults.append(Fault("disk_full", f"no room for checkpoints from epoch {record.epoch} on"))
            return None
        self._digests[record.epoch] = digest
        self._clear()
        size = sum(file.stat().st_size for file in published.iterdir())
        return Published(str(published), digest, size)

    def _rate(self, record: Record) -> None:
        """Remember the best record: the journal's rule, by which epoch 0 counts only where there is no other."""
        value = self._objective.of(record)
        if value is None or (record.epoch == 0 and self._best is not None):
            return
        standing = self._objective.standing
        if self._best is None or self._best[0] == 0 or standing(value) < standing(self._best[1]):
            self._best = (record.epoch, value)

    def _clear(self) -> None:
        """Delete the checkpoints that nobody needs any more: all but the last ones and the best."""
        best = -1 if self._best is None else self._best[0]
        keep = {best, *sorted(self._digests)[-KEPT:]}
        self._digests = {epoch: digest for epoch, digest in self._digests.items() if epoch in keep}
        for other in self._folder.glob("epoch-*"):
            if int(other.name.removeprefix("epoch-")) not in keep:
                shutil.rmtree(other, ignore_errors=True)


@functools.lru_cache(maxsize=1)
def _task(folder: str, cold: float, seed: int) -> Task:
    """Open a task once per process: the next trial on the same worker finds it here."""
    return open_snapshot(Path(folder)).withhold(cold, seed)
