"""What one gets for nothing on the task of a sweep file, before there is a sweep."""

from __future__ import annotations

from dataclasses import dataclass

from nvf import devices, tasks
from nvf.journal.result import FloorsElsewhere
from nvf.overlap import Overlap
from nvf.registry.elsewhere import Elsewhere
from nvf.spec.form import Spec
from nvf.tasks.snapshot import open_snapshot
from nvf.training.floors import measure_floors
from nvf.types import Figures


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Floors and ceilings of a task, as `nvf floors --json` prints them.

    Attributes
    ----------
    task, split
        Of which task, on which split.
    queries
        View -> how many queries its figures average over.
    floors, ceilings
        System -> view -> measure -> figure.
    leaks, notes
        Of the split, and what else is to be known of the task.
    evaluate
        The floors of the tasks that are judged besides; None where the file names none.
    """

    task: str
    split: str
    queries: dict[str, int]
    floors: dict[str, Figures]
    ceilings: dict[str, Figures]
    leaks: list[Overlap]
    notes: list[str]
    evaluate: FloorsElsewhere | None = None


def measured(spec: Spec, split: str | None = None) -> Measured:
    """Return the floors of a sweep file's task on `split`: by default dev where there is one, else test.

    Raises `TaskError` where the task cannot be built, or has no such queries.
    """
    with devices.using(spec.resources.gpu):
        task = open_snapshot(tasks.build_snapshot(spec.task)).withhold(spec.cold, spec.search.seed)
        split = split or ("dev" if len(task.split("dev")) else "test")
        found = measure_floors(task, split, spec.measures())
        besides = Elsewhere(task, spec.evaluate, spec.measures(), split).floors() if spec.evaluate else None
    return Measured(
        task=task.name,
        split=split,
        queries=found.queries,
        floors=found.floors,
        ceilings=found.ceilings,
        leaks=[leak for leak in task.leaks if leak.split == split],
        notes=list(task.notes),
        evaluate=besides,
    )
