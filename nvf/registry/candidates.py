"""What a sweep offers for promotion: a finalist that was confirmed, or else a trial's best epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nvf.errors import SweepError
from nvf.journal import cold
from nvf.journal.folders import SweepFolder
from nvf.journal.leaderboard import best_trial
from nvf.journal.replay import SweepState, TrialState
from nvf.journal.result import ConfirmationResult, Finalist
from nvf.registry.searched import snapshot_of
from nvf.tasks.base import Task
from nvf.training.record import Record
from nvf.types import Figures


@dataclass(frozen=True, slots=True)
class Candidate:
    """What shall be promoted: a journaled checkpoint, and the task that it ranks.

    Attributes
    ----------
    state, trial
        The sweep, and the trial in it.
    record, folder, digest
        Its record on dev, and the checkpoint that was published with it.
    task
        What was searched.
    result, row
        The sweep's last confirmation, and the trial's part in it; None where there is none.
    sweep
        The folder of the sweep.
    """

    sweep: SweepFolder
    state: SweepState
    trial: TrialState
    record: Record
    folder: Path
    digest: str
    task: Task
    result: ConfirmationResult | None
    row: Finalist | None

    @classmethod
    def of(cls, sweep: SweepFolder, state: SweepState, trial: TrialState, row: Finalist | None) -> Self:
        """Return the candidate that was chosen, with its task.

        Raises
        ------
        SweepError
            Where there is no checkpoint of its best epoch.
        TaskError
            Where the task is not the one that the sweep searched.
        """
        record = trial.best(state.objectives[0]) if row is None else row.champion.record
        published = trial.checkpoints.get(record.epoch) if record else None
        published = published if row is None else row.champion.checkpoint
        if record is None or published is None:
            raise SweepError(
                f"trial {trial.number} of sweep '{state.name}' has no checkpoint of its best epoch: only the best "
                "trials keep theirs (`checkpoints.keep` of the sweep file), and on a full disk none is published. "
                f"nvf confirm {state.name} --trial {trial.number} trains it again, or promote another one"
            )
        _, task = snapshot_of(state)
        result = state.confirmed.result if state.confirmed else None
        at = sweep.inside(published.folder)
        return cls(sweep, state, trial, record, at, published.digest, task, result, row)

    @property
    def test(self) -> Figures | None:
        """On test, or None where it was not confirmed: all and clean of this very checkpoint, cold the draws' mean.

        Journals of older versions of nvf hold the mean over the seeds alone.
        """
        return None if self.row is None else {**self.row.test, **(self.row.champion.test or {})}

    @property
    def mean(self) -> Figures | None:
        """On test, the mean over the trainings, where there are several and the checkpoint's own figures are known."""
        return None if self.row is None or self.row.seeds == 1 or self.row.champion.test is None else self.row.test

    @property
    def opened(self) -> int:
        """How often test had been opened when it was confirmed; 0 where it was not."""
        return 0 if self.row is None or self.result is None else self.result.opened

    @property
    def outdated_cold(self) -> bool:
        """Whether the cold figures that it is shown with are by another rule than today's."""
        return self.state.outdated_cold if self.row is None or self.result is None else cold.outdated(self.result)

    @property
    def seeds(self) -> int:
        """Over how many seeds it was confirmed; 0 where it was not."""
        return 0 if self.row is None or self.result is None else self.result.seeds


def choose(state: SweepState, number: int | None) -> tuple[TrialState, Finalist | None]:
    """Return the trial `number`, or the best, and its part in the last confirmation, or None.

    Of a confirmed sweep the best is the finalist whose replicates do best on dev; test chooses nothing. Raises
    `SweepError` where there is no such trial.
    """
    if state.confirmed is not None and state.confirmed.result is None:
        raise SweepError(
            f"sweep '{state.name}' was confirmed by an older nvf; confirm it again: nvf confirm {state.name}"
        )
    result = state.confirmed.result if state.confirmed else None
    row = None
    if result is not None:
        row = result.leading(state.objectives[0]) if number is None else result.of(number)
    return _trial(state, row.trial if row is not None else number), row


def _trial(state: SweepState, number: int | None) -> TrialState:
    trial = best_trial(state) if number is None else state.trial(number)
    if trial is None:
        raise SweepError(f"no trial of sweep '{state.name}' has both a figure and a checkpoint: nothing to promote")
    return trial
