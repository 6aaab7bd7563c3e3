"""One trial: epochs of training, each with a record.

    training = Training(system, task, seed=0, epochs=12, measures=["nDCG@10"])
    records = [training.start()] + [training.epoch(n) for n in range(1, training.epochs + 1)]

To go on from a checkpoint, `nvf.training.checkpoint.resume(folder, training)` takes the place of `start`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from nvf import seeding
from nvf.errors import Diverged
from nvf.measures.evaluate import depth, evaluate
from nvf.measures.measure import Measure
from nvf.systems.base import INSPECTED, System
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Task
from nvf.training.record import Record

SPLIT = "dev"
TIMED = 32
"""How many queries are ranked one by one for the latency."""


class Training:
    """One system on one task with one seed.

    All randomness derives from (seed, epoch), so that a trial that goes on from a checkpoint gives, bit for bit, what
    an undisturbed one gives (on the same machine, with the same number of threads).

    Parameters
    ----------
    system
        Neither prepared nor restored yet.
    task
        With its `cold` documents withheld already.
    seed
        The trial's seed.
    epochs
        The budget; `Training.epochs` is what the system makes of it.
    measures
        What to measure on dev.
    """

    def __init__(
        self, system: System, task: Task, *, seed: int, epochs: int, measures: Sequence[Measure | str]
    ) -> None:
        self.system = system
        self.task = task
        self.seed = seed
        self.epochs = system.epochs(epochs)
        self.measures = [str(measure) for measure in measures]
        self.optimiser: torch.optim.Adam | None = None

    def prepare(self) -> None:
        """Let the system take its training data and draw its weights, and make the optimiser."""
        self.system.prepare(self.task, self.seed)
        groups = self.system.parameter_groups()
        self.optimiser = torch.optim.Adam(groups) if groups else None

    def start(self) -> Record:
        """Prepare, and return the record of the untrained system."""
        began = time.perf_counter()
        self.prepare()
        return self._record(0, {}, time.perf_counter() - began)

    def epoch(self, number: int) -> Record:
        """Train one epoch (1, 2, ...) and return its record; raises `Diverged` where a loss is not finite."""
        began = time.perf_counter()
        torch.manual_seed(seeding.derive("epoch", self.seed, number))
        sums: dict[str, float] = {}
        queries = 0
        for step, batch in enumerate(self.system.batches(number)):
            parts = self._step(number, step, self.system.losses(batch))
            queries += len(batch)
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + len(batch) * value
        losses = {name: total / queries for name, total in sums.items()}
        return self._record(number, losses, time.perf_counter() - began)

    def _step(self, epoch: int, step: int, losses: Mapping[str, Tensor]) -> dict[str, float]:
        """Take one step down the sum of the losses, and return its parts."""
        assert self.optimiser is not None, "a system that yields batches has parameters"
        parts = {name: value.item() for name, value in losses.items()}
        if not all(np.isfinite(value) for value in parts.values()):
            shown = ", ".join(f"{name} = {value}" for name, value in parts.items())
            raise Diverged(
                f"{self.system.name} diverged in epoch {epoch}, step {step}: {shown}; lower the learning rate"
            )
        self.optimiser.zero_grad()
        torch.stack([*losses.values()]).sum().backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.system.after_step()
        return parts

    def _record(self, epoch: int, losses: Mapping[str, float], seconds: float) -> Record:
        began = time.perf_counter()
        split = self.task.split(SPLIT)
        deep = depth(self.measures, None if self.task.cold is None else split)
        ranking = rank_split(self.system, split, max(deep, INSPECTED))
        figures = evaluate(ranking, split, self.task.cold, self.measures).figures
        inspection, held_out = self.system.inspect(split, ranking), self.system.held_out_losses(split)
        evaluating = time.perf_counter() - began
        clock = {"seconds": seconds, "seconds_evaluating": evaluating, **self._latency()}
        return Record(
            epoch=epoch,
            losses=losses,
            figures=figures,
            diagnoses=tuple(inspection.diagnoses),
            held_out=held_out,
            statistics=inspection.statistics,
            clock=clock,
        )

    def _latency(self) -> dict[str, float]:
        """Return median and 95th percentile of the milliseconds that ranking one query takes."""
        queries = self.task.split(SPLIT).queries
        k = depth(self.measures)
        taken = []
        for row in range(min(TIMED, len(queries))):
            query = queries.select(np.array([row]))
            began = time.perf_counter()
            self.system.rank(query, k).rows.cpu()
            taken.append(1000 * (time.perf_counter() - began))
        return {f"latency_ms_p{share}": float(np.percentile(taken, share)) for share in (50, 95)}
