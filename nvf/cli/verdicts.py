"""A confirmation for people: finalists and floors on test, then each finalist's comparisons, a verdict a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from nvf.cli.columns import Column, fit, lines
from nvf.cli.render import figures, noticed, setting, settings
from nvf.journal import cold
from nvf.journal.result import (
    ConfirmationResult,
    Finalist,
    FloorsElsewhere,
    OnTasks,
    OnTasksOf,
    OverDraws,
    Pair,
    Transferred,
)
from nvf.measures.comparison import Comparison, probability
from nvf.measures.parse import BESIDE, VIEWS
from nvf.overlap import sentences
from nvf.text import number

LISTED = 3
"""Up to so many finalists, each pair has a line of its own."""


def confirmation(result: ConfirmationResult, width: int) -> Iterator[Text | str]:
    """Yield what is printed of the result of `nvf.registry.confirm.confirm`, in lines of `width` cells."""
    views = [view for view in VIEWS if view in result.queries]
    queries = ", ".join(f"{result.queries[view]} {view}" for view in views)
    yield f"{result.sweep}: {result.compared} on test ({queries} queries)"
    yield from noticed(result.notes)[0]
    if cold.outdated(result):
        yield f"warning: {cold.again(result.sweep)}"
    trials = len(result.finalists)
    columns, left = fit(_columns(result, views), width)
    yield from lines(columns, width, [False] * trials + [True] * (len(columns[0].cells) - trials))
    if left:
        yield f"left out at {width} columns: {', '.join(left)}; --wide shows all"
    yield from sentences(result.leaks)
    if not result.cold:
        yield "no cold figure: the sweep withheld nothing (cold: 0)"
    for row in result.finalists:
        yield ""
        yield f"trial {row.trial:04d} ({row.system}), difference in {result.compared} on test"
        yield from comparisons(row, result, width)
        yield from gap(row, result)
        if row.diagnoses:
            yield f"  diagnosed when trained again: {', '.join(row.diagnoses)}"
    yield ""
    yield from pairwise(
        result.pairwise, [row.trial for row in result.finalists], f"difference in {result.compared} on test", width
    )
    yield from withheld(result, width)
    if "setting" in left:
        yield from settings(result.finalists, width, top=trials)
    if result.evaluate is not None:
        yield from elsewhere(result.evaluate, result.compared, width)
    lines_of = [(row, line) for row in result.finalists for by in row.against.values() for line in by.values()]
    if any(row.seeds > 1 and line.seeds == 1 for row, line in lines_of):
        yield "confirmed by an older nvf: intervals and p cover the queries alone"
    elif result.seeds == 1:
        yield "one seed: intervals and p cover the queries alone, not other trainings"
    if result.stability is not None:
        yield f"order of the finalists on dev over seeds: Kendall tau {result.stability:.2f}"
    times = f"{result.opened} time{'s' * (result.opened > 1)}"
    yield f"test of {result.task}: opened {times} by this sweep"
    if result.opened > 1:
        yield "  what is chosen now is chosen with test in view"


def _columns(result: ConfirmationResult, views: Sequence[str]) -> list[Column]:
    rows = result.finalists
    untrained = {"ceiling": result.ceilings, "floor": result.floors}
    others = [(kind, name, of) for kind, by in untrained.items() for name, of in by.items()]
    if result.champion is not None:
        others.insert(0, ("champion", result.champion.name, result.champion.figures))
    blank = [""] * len(others)
    every = [*(row.test for row in rows), *(of for _, _, of in others)]
    dev = [number(row.dev.mean) + ("" if row.dev.sd is None else f" ± {row.dev.sd:.4f}") for row in rows]
    return [
        Column("trial", [*(f"{row.trial:04d}" for row in rows), *(o[0] for o in others)]),
        Column("system", [*(row.system for row in rows), *(o[1] for o in others)]),
        *figures(every, result.compared, views, 0),
        *(figures(every, BESIDE, views, 3) if result.compared != BESIDE else []),
        Column("dev", [*dev, *blank], rank=2),
        Column("setting", [*(setting(row.params) for row in rows), *blank], rank=9),
    ]


def comparisons(row: Finalist, result: ConfirmationResult, width: int) -> Iterator[Text]:
    """Yield how a finalist stands to each floor, and to the reigning champion: a line and a verdict for each view."""
    others = {name: row.against.get(name, {}) for name in result.floors}
    if result.champion is not None and row.against_champion is not None:
        others[result.champion.name] = row.against_champion
    yield from compared(
        [(name, view, of[view]) for name, of in others.items() for view in VIEWS if view in of],
        width,
    )


def compared(rows: Sequence[tuple[str, str, Comparison]], width: int) -> Iterator[Text]:
    """Yield a table of comparisons: to what, on what, difference, 95 % interval, p, verdict."""
    if not rows:
        return
    each = [of for _, _, of in rows]
    yield from lines(
        [
            Column("  against", ["  " + name for name, _, _ in rows]),
            Column("", [what for _, what, _ in rows]),
            Column("difference", [f"{of.difference:+.4f}" for of in each], right=True),
            Column("95 % interval", [of.interval for of in each], right=True),
            Column("p", [probability(of.p) for of in each]),
            Column("verdict", [of.outcome() for of in each]),
        ],
        width,
    )


def gap(row: Finalist, result: ConfirmationResult) -> Iterator[str]:
    """Yield the winner's curse (dev of the search, dev of the replicates, test), and the latency."""
    over = f"{len(row.dev.values)} {'draws' if result.cold else 'seeds'}"
    dev, again, test = (number(each) for each in (row.gap.search_dev, row.gap.replicates_dev, row.gap.test))
    yield f"  {result.measure}: dev {dev} in the search, {again} over {over}; test {test}"
    if row.seeds > 1 and row.champion.test is not None:
        own = ", ".join(f"{view} {number(by[result.compared])}" for view, by in row.champion.test.items())
        yield f"  its checkpoint alone: {own}; above, the mean of {row.seeds} seeds"
    yield f"  latency: p50 {row.latency_ms_p50:.2f} ms, p95 {row.latency_ms_p95:.2f} ms"


def pairwise(pairs: Sequence[Pair] | None, trials: Sequence[int], what: str, width: int) -> Iterator[Text | str]:
    """Yield how the finalists stand to one another: a line for each pair, or a matrix where there are many."""
    if not pairs:
        return
    views = [view for view in VIEWS if any(view in pair.lines for pair in pairs)]
    views = [view for view in views if view == "all" or any(pair.lines[view] != pair.all for pair in pairs)]
    yield f"finalists with each other, {what}"
    if len(trials) <= LISTED:
        rows = [(f"{pair.trial:04d} to {pair.other:04d}", view, pair.lines[view]) for pair in pairs for view in views]
        yield from compared(rows, width)
        yield ""
        return
    yield f"  row minus column; * where it is better or worse, adjusted for {len(pairs)} pairs (Holm)"
    for view in views:
        cells = {(pair.trial, pair.other): _cell(pair.lines[view]) for pair in pairs}
        columns, left = fit(
            [
                Column("", [f"  {one:04d}" for one in trials[:-1]], f"  {view:<5}"),
                *(
                    Column(
                        f"{other:04d}",
                        [cells.get((one, other), "") for one in trials[:-1]],
                        f"{other:04d} ",
                        right=True,
                        rank=place,
                    )
                    for place, other in enumerate(trials[1:], 1)
                ),
            ],
            width,
        )
        yield from lines(columns, width)
        if left:
            yield f"  left out at {width} columns: {', '.join(left)}; --wide shows all"
    yield ""


def _cell(of: Comparison) -> str:
    return f"{of.difference:+.4f}{' ' if of.outcome() == 'undecided' else '*'}"


def withheld(result: ConfirmationResult, width: int) -> Iterator[Text | str]:
    """Yield what the trainings with a share withheld give on all queries and for cold documents, beside the floors."""
    measure = result.compared
    of = {f"trial {row.trial:04d}": row.withheld for row in result.finalists}
    if any("cold" not in each.mean for each in of.values()):
        return
    draws = max(each.draws for each in of.values())
    yield f"{measure} with {result.cold:.0%} of the judged documents withheld, over {draws} draws"
    every = {**of, **{f"floor {name}": floor for name, floor in result.withheld_floors.items()}}
    yield from lines(
        [
            Column("", ["  " + name for name in every]),
            *(Column(view, [_spread(of, view, measure) for of in every.values()]) for view in ("all", "cold")),
        ],
        width,
    )


def _spread(over_draws: OverDraws, view: str, measure: str) -> str:
    """Return `0.3704 ± 0.0021`; without deviation where it is 0 or there is one draw."""
    sd = over_draws.sd[view][measure]
    return f"{over_draws.mean[view][measure]:.4f}{f' ± {sd:.4f}' if sd else ''}"


def elsewhere(found: Transferred, measure: str, width: int) -> Iterator[Text | str]:
    """Yield what came of the other tasks, each finalist beside the floors, and the differences on average."""
    yield from floors_elsewhere(found, measure, width)
    yield "difference of the averages"
    yield from compared(
        [
            (f"trial {row.trial:04d} to {name}", "all", of)
            for row in found.finalists
            for name, of in row.against.items()
        ],
        width,
    )
    yield from pairwise(found.pairwise, [row.trial for row in found.finalists], "difference of the averages", width)


def floors_elsewhere(found: FloorsElsewhere, measure: str, width: int) -> Iterator[Text | str]:
    """Yield the finalists, where there are any, and the floors on the other tasks, and how their queries leak."""
    finalists = found.finalists if isinstance(found, Transferred) else []
    every: dict[str, OnTasks | OnTasksOf] = {f"trial {row.trial:04d}": row for row in finalists}
    every |= {f"floor {name}": floor for name, floor in found.floors.items()}
    yield f"{measure} on other tasks, all queries: {', '.join(f'({at}) {n}' for at, n in enumerate(found.tasks, 1))}"
    yield from lines(
        [
            Column("", ["  " + name for name in every]),
            *(
                Column(f"({at})", [number(of.figures[at - 1]["all"][measure]) for of in every.values()], right=True)
                for at in range(1, len(found.tasks) + 1)
            ),
            Column("average", [number(of.average["all"][measure]) for of in every.values()], right=True),
        ],
        width,
    )
    yield from sentences(found.leaks)
