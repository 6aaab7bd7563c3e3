"""What a confirmation found, as the journal keeps it and `nvf confirm --json` prints it.

Fields with a default are missing in confirmations by some older version of nvf.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from nvf.journal.facts import Absent, Params, Published, Text
from nvf.measures.comparison import Comparison
from nvf.measures.objective import Objective
from nvf.measures.parse import VIEWS
from nvf.overlap import Overlap
from nvf.plain import plain
from nvf.training.record import Record
from nvf.types import Figures, Number


def _by_view(line: Any) -> Any:
    """Return comparisons by view: the journal has that over all queries twice, and older ones have no other."""
    return {view: line[view] for view in VIEWS if view in line} or {"all": line} if isinstance(line, dict) else line


def _written(by_view: dict[str, Comparison]) -> dict[str, Any]:
    lines: dict[str, Any] = {view: plain(line) for view, line in by_view.items()}
    return {**lines.get("all", {}), **lines}


ByView = Annotated[dict[str, Comparison], BeforeValidator(_by_view), PlainSerializer(_written)]
"""View -> comparison."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation (over n - 1; None of a single value) of what is there of some values."""

    mean: float | None
    sd: float | None = None
    values: list[float | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OverDraws:
    """Mean and standard deviation over draws of what is withheld, and the figures of each draw."""

    draws: int
    mean: Figures
    sd: dict[str, dict[str, float | None]]
    figures: list[Figures] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Gap:
    """The winner's curse by the sweep's first measure: dev of the search, dev of the replicates, test.

    All three with the share withheld, where the sweep withholds one; a latency has no figure on test.
    """

    search_dev: float | None
    replicates_dev: float | None
    test: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """The training of a finalist that would be promoted: the one whose figure on dev is the median.

    `record` and `checkpoint` are its best on dev, `test` its own figures on all and clean queries, `bytes` its
    tensors'.
    """

    seed: int
    place: int = 0
    record: Record
    checkpoint: Published
    test: Annotated[Figures | None, Absent] = None
    bytes: Annotated[int | None, Absent] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Finalist:
    """What was found of one finalist.

    Attributes
    ----------
    trial, system, params, settings
        The trial: what was chosen, and all that it was trained with.
    seeds
        Over how many it was trained on all judgements.
    dev, dev_all_judgements
        By the sweep's first measure: as it was searched, and with nothing withheld.
    test, test_by_seed
        Means, and the figures of each training on all judgements.
    statistics
        What else the system says of itself on test.
    withheld
        Of the trainings with a share withheld.
    gap
        The winner's curse.
    latency_ms_p50, latency_ms_p95
        Medians over the trainings.
    diagnoses
        Names of what was diagnosed in any training.
    champion
        What would be promoted.
    against, against_champion
        How it compares with each floor, and with the version that reigned, where one did.
    """

    trial: int
    system: str
    params: Params = field(default_factory=dict)
    settings: Params = field(default_factory=dict)
    seeds: int = 1
    dev: Spread
    dev_all_judgements: Spread = Spread(None)
    test: Figures
    test_by_seed: list[Figures] = field(default_factory=list)
    statistics: dict[str, Number] = field(default_factory=dict)
    withheld: OverDraws
    gap: Gap
    latency_ms_p50: Number = 0.0
    latency_ms_p95: Number
    diagnoses: list[str] = field(default_factory=list)
    champion: Chosen
    against: dict[str, ByView] = field(default_factory=dict)
    against_champion: Annotated[ByView | None, Absent] = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two finalists: the comparison of `trial` to `other` for each view."""

    trial: int
    other: int
    all: Comparison
    clean: Annotated[Comparison | None, Absent] = None
    cold: Annotated[Comparison | None, Absent] = None

    @property
    def lines(self) -> dict[str, Comparison]:
        """View -> comparison, where there is one."""
        lines = {"all": self.all, "clean": self.clean, "cold": self.cold}
        return {view: line for view, line in lines.items() if line is not None}


def both_ways(pairs: list[Pair] | None) -> Iterator[tuple[int, int, dict[str, Comparison]]]:
    """Yield every pair both ways round: one finalist, another, and the comparison of the one to it by view."""
    for pair in pairs or ():
        yield pair.trial, pair.other, pair.lines
        yield pair.other, pair.trial, {view: line.turned() for view, line in pair.lines.items()}


@dataclass(frozen=True, slots=True)
class Reigned:
    """The version that the model's champion was when it was confirmed, and its figures on test."""

    model: str
    version: int
    name: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class OnTasks:
    """Figures on each of several tasks, and their average over the tasks."""

    figures: list[Figures]
    average: Figures


@dataclass(frozen=True, slots=True)
class OnTasksOf:
    """The same of a finalist, means over its seeds, with how its average compares with that of each floor."""

    trial: int
    figures: list[Figures]
    average: Figures
    against: dict[str, Comparison]


@dataclass(frozen=True, kw_only=True, slots=True)
class FloorsElsewhere:
    """What one gets for nothing on other tasks: their names, fingerprints and queries, how they leak, the floors."""

    tasks: list[str]
    fingerprints: list[str] = field(default_factory=list)
    queries: list[dict[str, int]] = field(default_factory=list)
    leaks: list[Overlap] = field(default_factory=list)
    floors: dict[str, OnTasks]


@dataclass(frozen=True, kw_only=True, slots=True)
class Transferred(FloorsElsewhere):
    """How finalists do on tasks that they were not trained on."""

    finalists: list[OnTasksOf]
    pairwise: list[Pair] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfirmationResult:
    """What a confirmation found.

    Attributes
    ----------
    sweep, task
        Of what.
    measure, compared
        What the sweep optimises, and the measure that is compared.
    confirmation, opened
        Its number, and how often the sweep had opened test by then.
    seeds, cold, cold_by
        Over how many seeds, with what share withheld for the cold figures, and by which rule these were made.
    model
        The registered model whose champion is judged besides.
    queries
        View -> how many.
    floors, ceilings, withheld_floors
        Name -> figures on test; those with a share withheld.
    stability
        How far the order of the finalists on dev is the same for every seed, in [-1, 1].
    finalists, pairwise
        What was found of each, and how they compare with one another.
    leaks, notes
        Of test, and of the task.
    champion
        The version that reigned then.
    evaluate
        What came of the tasks that the sweep file's `evaluate` names.
    """

    sweep: str
    measure: str
    compared: str
    split: str = "test"
    task: str = ""
    confirmation: int
    opened: int
    seeds: int
    model: Text = None
    cold: float
    cold_by: Text = None
    queries: dict[str, int]
    floors: dict[str, Figures]
    ceilings: dict[str, Figures] = field(default_factory=dict)
    withheld_floors: dict[str, OverDraws] = field(default_factory=dict)
    stability: float | None = None
    finalists: list[Finalist]
    pairwise: Annotated[list[Pair] | None, Absent] = None
    leaks: list[Overlap] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    champion: Annotated[Reigned | None, Absent] = None
    evaluate: Annotated[Transferred | None, Absent] = None

    def leading(self, objective: Objective) -> Finalist | None:
        """Return the finalist that is promoted: the best on dev by the mean over its seeds. Test chooses nothing."""
        judged = [row for row in self.finalists if row.dev.mean is not None]
        return min(judged, key=lambda row: objective.standing(row.dev.mean), default=None)

    def of(self, trial: int) -> Finalist | None:
        """Return what was found of a trial, or None where it is no finalist."""
        return next((row for row in self.finalists if row.trial == trial), None)
