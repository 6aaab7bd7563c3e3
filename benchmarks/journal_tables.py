"""The tables of docs/results.md that are read from journals, and from what `heads.py` left."""

from __future__ import annotations

import functools
import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import heads
import numpy as np

from nvf.errors import UsageError
from nvf.journal import cold
from nvf.journal import leaderboard as boards
from nvf.journal.folders import SweepFolder
from nvf.journal.leaderboard import leaderboard
from nvf.journal.replay import SweepState
from nvf.journal.result import ConfirmationResult, Finalist, OnTasks, OnTasksOf, both_ways
from nvf.text import number, table
from nvf.types import Figures

R = TypeVar("R", boards.Row, Finalist)
RAW = "raw"
VIEWS = ("all", "clean", "cold")


@dataclass(frozen=True, slots=True)
class Row:
    """One finalist or trial of a sweep.

    Attributes
    ----------
    sweep
        The sweep's name.
    pick
        A trial's number (a start's place in the sweep file), `best`, or a system's name for its best; on dev.
    label
        What the table calls it.
    """

    sweep: str
    pick: int | str
    label: str


@functools.cache
def state(sweep: str) -> SweepState:
    """Return a sweep as journaled; raises `UnknownName` where there is none."""
    found = SweepFolder.find(sweep).state()
    if found.outdated_cold:
        print(f"{sweep}: {cold.SAID}", file=sys.stderr)
    return found


@functools.cache
def confirmation(sweep: str) -> ConfirmationResult:
    """Return the last confirmation of a sweep, or end the command."""
    last = state(sweep).confirmed
    result = None if last is None else last.result
    if result is None:
        raise SystemExit(f"sweep '{sweep}' was not confirmed: nvf confirm {sweep}")
    if cold.outdated(result):
        print(f"{sweep}: {cold.again(sweep)}", file=sys.stderr)
    return result


def picked(found: Sequence[R], pick: int | str, value: Callable[[R], float | None]) -> R:
    """Return the row that `pick` asks for, `best` by `value`, or end the command."""
    if isinstance(pick, int):
        rows = [row for row in found if row.trial == pick]
    else:
        rows = [row for row in found if pick in ("best", row.system) and value(row) is not None]
    if not rows:
        raise SystemExit(f"there is no trial for {pick!r}; there are {sorted({row.trial for row in found})}")
    return max(rows, key=lambda row: value(row) or 0.0)


def finalist(row: Row) -> Finalist:
    """Return the finalist that a row asks for, by dev, from the last confirmation of its sweep."""
    return picked(confirmation(row.sweep).finalists, row.pick, lambda each: each.dev.mean)


def on_dev(rows: Sequence[Row], views: Sequence[str] = ("all", "cold")) -> str:
    """Return the figures of trials on dev, of one seed each, below the floors of their sweep."""
    board = leaderboard(state(rows[0].sweep))
    measure = board.measure.partition(":")[0]

    def cells(figures: Figures) -> list[str]:
        return [number(figures.get(view, {}).get(measure)) for view in views]

    lines: list[Sequence[Any]] = [(f"floor {name}", *cells(of), "", "") for name, of in board.floor_figures.items()]
    for row in rows:
        trial = picked(leaderboard(state(row.sweep)).trials, row.pick, lambda each: each.value)
        lines.append((row.label, *cells(trial.figures), trial.best_epoch, ", ".join(trial.diagnoses)))
    return table((f"{measure} on dev", *views, "best epoch", "diagnoses"), lines)


def confirmed(rows: Sequence[Row], against: str = RAW) -> str:
    """Return finalists on test, means over their seeds, below the floors, with their differences to one floor."""
    first = confirmation(rows[0].sweep)
    measure = first.compared

    def cells(figures: Figures) -> list[str]:
        return [number(figures.get(view, {}).get(measure)) for view in VIEWS]

    dev = state(rows[0].sweep).floors
    lines: list[Sequence[Any]] = [
        (f"floor {name}", number(dev.get(name, {}).get("all", {}).get(measure)), *cells(of), *[""] * (1 + len(VIEWS)))
        for name, of in first.floors.items()
    ]
    for row in rows:
        found = finalist(row)
        beside = found.against[against]
        lines.append(
            (
                row.label,
                number(found.dev.mean),
                *cells(found.test),
                number(found.withheld.mean.get("all", {}).get(measure)),
                *(beside[view] for view in VIEWS if view in beside),
            )
        )
    compared = [f"against {against}: {VIEWS[0]}", *VIEWS[1:]]
    return table((f"{measure} on test", "dev", *VIEWS, "all, withheld", *compared), lines)


def transferred(rows: Sequence[Row]) -> str:
    """Return finalists on the tasks of `evaluate`, of which no label was seen, beside the sweep's own test."""
    result = confirmation(rows[0].sweep)
    found, measure = result.evaluate, result.compared
    if found is None:
        raise SystemExit(f"sweep '{rows[0].sweep}' names no other tasks in `evaluate`")

    def cells(own: Figures, of: OnTasks | OnTasksOf) -> list[str]:
        return [number(figures["all"][measure]) for figures in (own, *of.figures, of.average)]

    lines: list[Sequence[Any]] = [
        (f"floor {name}", *cells(result.floors[name], of), "") for name, of in found.floors.items()
    ]
    for row in rows:
        own = finalist(row)
        elsewhere = next(each for each in found.finalists if each.trial == own.trial)
        lines.append((row.label, *cells(own.test, elsewhere), elsewhere.against[RAW]))
    return table((f"{measure} on test", result.task, *found.tasks, "average", f"against {RAW}"), lines)


def windows(rows: Sequence[Row], against: str) -> str:
    """Return next-vector finalists on test: the measures of the research notes, below the floors."""
    result = confirmation(rows[0].sweep)
    names = ("R@1", "R@5", "R@10", "R@50", "RR@10")

    def cells(figures: Figures) -> list[str]:
        of = figures["all"]
        return [*(number(of.get(name), ".3f") for name in names), number(of["R@5"] / of["R@50"], ".2f")]

    lines: list[Sequence[Any]] = [(f"floor {name}", *cells(of), "", "", "") for name, of in result.floors.items()]
    for row in rows:
        found = finalist(row)
        said = found.statistics
        cosines = [number(said[each], ".3f") for each in ("cosine_test", "cosine_projected_test") if each in said]
        line = found.against[against]["all"]
        lines.append((row.label, *cells(found.test), number(found.latency_ms_p95, ".1f"), " / ".join(cosines), line))
    head = (*names, "Eff@5", "P95 ms", "cosine on test", f"R@5 against {against}")
    return table((f"{result.seeds} seeds", *head), lines)


def pairs(rows: Sequence[Row]) -> str:
    """Return a confirmed sweep's finalists against each other on test: the row minus the column, p in brackets.

    Bold where they differ significantly; p is adjusted for the pairs (Holm).
    """
    result = confirmation(rows[0].sweep)
    labels = {finalist(row).trial: row.label for row in rows}
    lines: dict[int, dict[int, str]] = defaultdict(dict)
    for one, other, by_view in both_ways(result.pairwise):
        line = by_view["all"]
        cell = f"{line.difference:+.3f} ({line.p:.2g})"
        lines[one][other] = cell if line.outcome() == "undecided" else f"**{cell}**"
    body = [(label, *(lines[one].get(other, "") for other in labels)) for one, label in labels.items()]
    return table((f"{result.compared}, row minus column", *labels.values()), body)


def runs(task: str, **asked: Any) -> list[dict[str, Any]]:
    """Return what `heads.py` found on a task with these settings; raises `UsageError` where that is nothing."""
    rows = [row for row in heads.done().values() if row["run"].items() >= {"task": task, **asked}.items()]
    if not rows:
        raise UsageError(f"{heads.results()} has no run of {task} with {asked}")
    return rows


def spread(values: Sequence[float]) -> str:
    """Return mean ± standard deviation over seeds.

    >>> spread([0.25, 0.35])
    '0.300 ± 0.071'
    """
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "")


def by_batch_size(task: str, points: Sequence[str] = (), steps: int = 500) -> str:
    """Return the best epoch on dev of each point at each batch size, means over seeds, trained as many steps each.

    In brackets what is diagnosed there, in so many of the seeds.
    """
    best: dict[str, dict[int, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in runs(task, share=1.0, steps=steps):
        run = row["run"]
        if not points or run["point"] in points:
            record = max(row["records"][1:], key=lambda each: each["figures"]["all"])
            best[run["point"]][run["batch_size"]].append(record)
    sizes = sorted({size for by in best.values() for size in by})
    views = [view for view in ("all", "cold") if all(view in each["figures"] for each in _records(best))]
    lines = []
    for point, by in best.items():
        cells = []
        for size in sizes:
            cells += [spread([each["figures"][view] for each in by[size]]) if by[size] else "-" for view in views]
            counts = Counter(name for each in by[size] for name in each["diagnoses"])
            cells.append(", ".join(f"`{name}` {count} of {len(by[size])}" for name, count in counts.items()))
        lines.append((point, *cells))
    head = [
        f"{size} a batch: {views[0]}" if view == views[0] else view for size in sizes for view in (*views, "diagnosed")
    ]
    return table(("", *head), lines)


def _records(best: Mapping[str, Mapping[int, list[dict[str, Any]]]]) -> Iterator[dict[str, Any]]:
    yield from itertools.chain.from_iterable(several for by in best.values() for several in by.values())


def by_epoch(task: str, batch_size: int, steps: int, epochs: Sequence[int] = (0, 1, 2, 3, 5, 9)) -> str:
    """Return each point after so many epochs, means over seeds, in brackets the loss on dev."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in runs(task, batch_size=batch_size, share=1.0, steps=steps):
        found[row["run"]["point"]].append(row)
    lines = []
    for point, several in found.items():
        cells = []
        for epoch in epochs:
            here = [row["records"][epoch] for row in several if epoch < len(row["records"])]
            figures = [each["figures"]["all"] for each in here]
            cells.append(f"{spread(figures)} ({np.mean([each['held_out'] for each in here]):.3f})" if here else "-")
        lines.append((point, *cells))
    return table((f"{batch_size} a batch", *("untrained" if epoch == 0 else str(epoch) for epoch in epochs)), lines)


def by_share(task: str, batch_size: int, steps: int) -> str:
    """Return the best epoch of each point by the share of the training queries, trained as many steps each."""
    found: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in runs(task, batch_size=batch_size, steps=steps):
        best = max(each["figures"]["all"] for each in row["records"][1:])
        found[row["run"]["point"]][row["run"]["share"]].append(best)
    several = {point: by for point, by in found.items() if len(by) > 1}
    shares = sorted({share for by in several.values() for share in by})
    lines = [(point, *(spread(by[share]) for share in shares)) for point, by in several.items()]
    return table((f"{batch_size} a batch", *(f"{share:.0%} of the questions" for share in shares)), lines)


def residuals(asked: Sequence[tuple[str, int, int]], points: Sequence[str], epochs: Sequence[int] = (1, 2, 3)) -> str:
    """Return what respred adds to a query on dev, on each (task, batch size, steps), means over seeds."""
    lines = []
    for (task, size, steps), point in itertools.product(asked, points):
        several = runs(task, batch_size=size, point=point, share=1.0, steps=steps)
        for epoch in epochs:
            found = [row["records"][epoch]["statistics"] for row in several]
            mean = {key: float(np.mean([each[key] for each in found])) for key in found[0]}
            small = [number(mean[f"residual_{key}"], ".2g") for key in ("mean", "max")]
            rest = [number(mean["alpha"], ".3f"), f"{mean['residual_share']:.1%}"]
            ranks = f"{mean['query_rank']:.0f} / {mean['document_rank']:.0f}"
            lines.append((f"{point}, {task}, {size} a batch", epoch, *small, *rest, ranks))
    head = ("", "epoch", "mean", "max", "alpha", "share of the query's length", "rank of queries / documents")
    return table(head, lines)
