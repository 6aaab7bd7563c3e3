"""Tables for people: a leaderboard with its floors, figures as all / clean / cold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from nvf.cli.columns import GAP, Column, fit, lines
from nvf.journal import cold
from nvf.journal.kinds import OUTCOMES
from nvf.journal.leaderboard import Leaderboard, Row, highest
from nvf.journal.result import Finalist
from nvf.measures.parse import BESIDE
from nvf.overlap import sentences
from nvf.text import number
from nvf.types import Figures

if TYPE_CHECKING:
    from nvf.registry.measured import Measured
    from nvf.registry.report import Standing

WHOLE = 10_000
"""Cells of a line that goes to no terminal: nothing is left out of it or folded."""


DEEPEST = 24
"""Cells that a folded line is set in at most."""
COMMAND = r"(?:MLFLOW_TRACKING_URI=(?:'[^']*'|\S)+ )?\S*\b(?:nvf|mlflow) [a-z](?:(?![,;:] ).)*$"
WORDS = re.compile(rf"\s*(?:{COMMAND}|--[a-z]+ '[^']*'|\S+)")
"""What a line is not folded in: a word, an option in quotes, and the command at its end. They are copied."""


class Page(Console):
    """Prints to people: lines are folded between words, and what cannot be folded (a path, a link) stays whole."""

    def print(self, *objects: Any, hang: int | None = None, **options: Any) -> None:
        """Print as rich does; the further lines of a folded one are set in by `hang`.

        By default they stand below the last of its columns, or two further in than the first.
        """
        options = {"overflow": "ignore", "crop": False, **options}
        super().print(*(self._folded(each, hang) if isinstance(each, str) else each for each in objects), **options)

    def _folded(self, text: str, hang: int | None) -> Text:
        folded = []
        for line in text.split("\n"):
            folded.append("")
            columns = [gap.end() for gap in re.finditer(r"\S {2,}", line) if gap.end() <= DEEPEST]
            indent = [len(line) - len(line.lstrip()) + GAP, *columns][-1] if hang is None else hang
            for word in WORDS.findall(line):
                if folded[-1].strip() and cell_len(folded[-1] + word) > self.width:
                    folded.append(" " * indent + word.lstrip())
                else:
                    folded[-1] += word
        return Text("\n".join(folded))


def console(*, stderr: bool = False, wide: bool = False) -> Page:
    """Return a page as wide as the terminal, or as `COLUMNS` says.

    Without either, or with `wide`, nothing is folded or left out.
    """
    made = Page(stderr=stderr, highlight=False, markup=False)
    if wide or not (made.is_terminal or os.environ.get("COLUMNS", "").isdigit()):
        return Page(stderr=stderr, highlight=False, markup=False, width=WHOLE)
    return made


def value(of: Any) -> str:
    """Return a parameter's value as text; `-` for None.

    >>> value(0.000312345), value("both"), value(None)
    ('0.000312', 'both', '-')
    """
    if isinstance(of, float):
        return f"{of:.3g}"
    return "-" if of is None else str(of)


def setting(params: Mapping[str, Any]) -> str:
    """Return chosen parameters in one line.

    >>> setting({"system": "linear", "lr": 0.000312345, "side": "both"})
    'lr=0.000312 side=both'
    """
    return " ".join(f"{name}={value(each)}" for name, each in params.items() if name != "system")


def views(queries: Mapping[str, int], rows: Sequence[Mapping[str, Mapping[str, float]]]) -> tuple[list[str], list[str]]:
    """Return the views to show, and a line for each that says the same as `all` everywhere.

    `queries` has how many each view has; `rows` are the figures by view, for every line of the table.
    """
    shown, notes = ["all"], []
    for view in queries:
        if view == "all":
            continue
        same = queries[view] == queries["all"] and all(figures.get(view) == figures.get("all") for figures in rows)
        if same:
            notes.append(f"{view} = all: the same {queries['all']} queries and figures, shown once")
        else:
            shown.append(view)
    return shown, notes


def leaderboard(
    board: Leaderboard, width: int, top: int = 20, chosen: Sequence[str] | None = None
) -> Iterator[Text | str]:
    """Yield what is printed of the first `top` trials of a leaderboard, in lines of `width` cells.

    Columns that do not fit are left out, which a line says; `chosen` names those to show instead.
    """
    rows = board.trials[:top]
    floors = {**board.ceiling_figures, **board.floor_figures}
    shown, notes = views(board.queries, [row.figures for row in rows if row.figures] + list(floors.values()))
    columns, left = fit(_columns(board, rows, floors, shown), width, chosen)
    yield f"{board.sweep}: {board.measure} on dev, best first"
    warnings, told = noticed(board.notes)
    yield from warnings
    yield from lines(columns, None if chosen else width, [False] * len(rows) + [True] * len(floors))
    name, hidden = board.sweep, len(board.trials) - top
    if hidden > 0:
        yield f"{hidden} more trials: nvf leaderboard {name} --top {len(board.trials)}"
    if left:
        yield f"left out at {width} columns: {', '.join(left)}; --wide shows all, --columns some"
    if "setting" in left:
        yield from settings(rows, width)
    if "diagnoses" in left:
        yield from _diagnosed(rows)
    yield from [*notes, *sentences(board.leaks), *told, *_errors(board), *_faults(board), *verdict(board)]


def _columns(
    board: Leaderboard, rows: Sequence[Row], floors: Mapping[str, Figures], shown: Sequence[str]
) -> list[Column]:
    """Return every column of a leaderboard; below the trials come the ceilings and the floors."""
    kinds = ["ceiling" if name in board.ceiling_figures else "floor" for name in floors]
    blank = [""] * len(floors)
    of = [*(row.figures for row in rows), *floors.values()]
    main, *others = dict.fromkeys([board.shown, BESIDE])

    def own(
        name: str, cells: Iterable[str], rank: int | None = 0, *, right: bool = False, header: str | None = None
    ) -> Column:
        return Column(name, [*cells, *blank], header, rank=rank, right=right)

    asked = [(place, each) for place, each in enumerate(board.objectives) if each not in (main, *others)]
    epochs = ["-" if row.best_epoch is None else f"{row.best_epoch}/{row.epochs}" for row in rows]
    names = list(dict.fromkeys(name for row in rows for name in row.settings))
    return [
        Column("trial", [*(f"{row.trial:04d}" for row in rows), *kinds]),
        Column("system", [*(row.system for row in rows), *floors]),
        own("outcome", (row.outcome for row in rows)),
        *(
            own(each, (number(row.values[place]) for row in rows), min(place, 1), right=True, header=_two(each))
            for place, each in asked
        ),
        *figures(of, main, shown, 0),
        own("floors", (FLOORS[row.beats_floors] for row in rows), 1),
        own("epoch", epochs, 2, right=True),
        *(column for place, measure in enumerate(others) for column in figures(of, measure, shown, 3 + place)),
        own("diagnoses", (", ".join(row.diagnoses) for row in rows), 8),
        own("setting", (setting(row.params) for row in rows), 9),
        own("seed", (str(row.seed) for row in rows), None, right=True),
        *(own(name, (value(row.settings.get(name)) for row in rows), None, right=True) for name in names),
    ]


def figures(of: Iterable[Figures], measure: str, views: Sequence[str], rank: int) -> list[Column]:
    """Return a column for each view of a measure; `of` has the figures of every row."""
    rows = list(of)
    return [
        Column(
            measure,
            [number(each.get(view, {}).get(measure)) for each in rows],
            f"{measure}\n{view}" if view == views[0] else view,
            right=True,
            rank=rank,
        )
        for view in views
    ]


def _two(header: str) -> str:
    """Return a long header in two lines.

    >>> _two("latency_ms_p95")
    'latency\\nms_p95'
    """
    return header.replace("_", "\n", 1) if "_" in header else header.replace(" ", "\n", 1)


def settings(rows: Sequence[Row | Finalist], width: int, top: int = 3) -> Iterator[Text | str]:
    """Yield the settings of the best trials, one to a line, as many trials beside one another as fit."""
    best = [row for row in rows if row.params][:top]
    names = list(dict.fromkeys(name for row in best for name in row.params if name != "system"))
    if not names:
        return
    table = [
        Column("setting of trial", names),
        *(Column(f"{row.trial:04d}", [value(row.params.get(name)) for name in names], rank=1) for row in best),
    ]
    while len(table) > 1 and sum(column.width + GAP for column in table) - GAP > width:
        table.pop()
    yield ""
    if len(table) > 1:
        yield from lines(table)
    else:
        yield f"setting of trial {best[0].trial:04d}"
        yield from (f"  {name}  {value(best[0].params.get(name))}" for name in names)
    yield ""


def _diagnosed(rows: Sequence[Row]) -> Iterator[str]:
    """Yield each diagnosis with the trials that have it."""
    for name in dict.fromkeys(name for row in rows for name in row.diagnoses):
        having = [f"{row.trial:04d}" for row in rows if name in row.diagnoses]
        yield f"{name}: {'all ' * (len(having) == len(rows) > 1)}{' '.join(having)}"


def _errors(board: Leaderboard, top: int = 5) -> list[str]:
    found = [f"trial {row.trial:04d} {row.outcome}: {_last(row.error)}" for row in board.trials if row.error]
    return [*found[:top], *_more(found[top:], "with an error", board)]


def _faults(board: Leaderboard, top: int = 5) -> list[str]:
    found = [
        f"trial {row.trial:04d} after epoch {fault.epoch}, {fault.fault.replace('_', ' ')}: {fault.detail}"
        for row in board.trials
        for fault in row.faults
    ]
    return [*found[:top], *_more(found[top:], "that were lived with", board)]


def _more(found: Sequence[str], what: str, board: Leaderboard) -> list[str]:
    return [f"{len(found)} more {what}: nvf leaderboard {board.sweep} --json"] if found else []


def _last(error: str) -> str:
    return error.strip().splitlines()[-1]


def noticed(notes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the warnings among notes, which stand before the figures, and the others, which stand behind them."""
    warnings = [note for note in notes if note.startswith("warning:")]
    return warnings, [note for note in notes if note not in warnings]


def verdict(board: Leaderboard) -> list[str]:
    """Return one plain sentence on the best trial against the best floor, and one for each view in which it loses."""
    best, floor = next(iter(board.judged), None), highest(board.floors)
    if best is None or best.value is None or floor is None:
        return []
    name, value = floor
    gain = best.value - value
    if gain <= 0:
        return [f"the best trial does NOT beat the floor {name}: {best.value:.4f} against {value:.4f} on dev"]
    lines = [f"best on dev: trial {best.trial:04d}, {best.value:.4f}, {gain:+.4f} over the best floor ({name})"]
    measure = board.measure.split(" ")[-1]
    for view, of_view in best.figures.items():
        ours = of_view.get(measure)
        floor = highest({each: of.get(view, {}).get(measure) for each, of in board.floor_figures.items()})
        if ours is not None and floor is not None and ours < floor[1]:
            what = {"all": "on all queries", "clean": "on clean queries", "cold": "for cold documents"}[view]
            lines.append(f"but {what} it LOSES to the floor {floor[0]}: {ours:.4f} against {floor[1]:.4f} {measure}")
    return lines


def floors(found: Measured, width: int) -> Iterator[Text | str]:
    """Yield what is printed of `nvf floors`."""
    every = {**found.ceilings, **found.floors}
    shown, notes = views(found.queries, list(every.values()))
    rows = [(name, view) for name, figures in every.items() for view in shown if view in figures]
    kind = {name: "ceiling" if name in found.ceilings else "floor" for name in every}
    columns, left = fit(
        [
            Column("kind", [kind[name] for name, _ in rows], ""),
            Column("name", [name for name, _ in rows]),
            Column("view", [view for _, view in rows]),
            Column("queries", [str(found.queries[view]) for _, view in rows], right=True),
            *(
                Column(measure, [number(every[name][view].get(measure)) for name, view in rows], right=True, rank=place)
                for place, measure in enumerate(next(iter(every.values()))["all"])
            ),
        ],
        width,
    )
    yield f"{found.task}: floors on {found.split}"
    warnings, told = noticed(found.notes)
    yield from warnings
    yield from lines(columns, width)
    if left:
        yield f"left out at {width} columns: {', '.join(left)}; nvf floors --wide shows all"
    yield from [*notes, *sentences(found.leaks), *told]


FLOORS = {True: "above", False: "under", None: ""}
"""Whether a trial's figure on dev lies above every floor's."""


def sweeps(rows: Sequence[Standing], width: int, chosen: Sequence[str] | None = None) -> Iterator[Text | str]:
    """Yield what is printed of `nvf status` and `nvf list`; see `leaderboard` for `width` and `chosen`."""
    if not rows:
        yield "no sweeps yet: nvf init writes a first sweep file"
        return
    blank = [row for row in rows if row.trials is None]
    counts = {name: [getattr(row, name) for row in rows] for name in (*OUTCOMES, "open")}
    status = [f"{row.status} ({row.reason})" if row.reason and row not in blank else row.status for row in rows]
    trials = ["" if row in blank else f"{row.finished}/{row.trials}" for row in rows]
    columns, left = fit(
        [
            Column("sweep", [row.sweep for row in rows]),
            Column("status", status),
            Column("trials", trials, right=True),
            # A count that is 0 for every sweep says nothing.
            *(
                Column(name, ["" if n is None else str(n) for n in of], right=True, rank=5 if any(of) else None)
                for name, of in counts.items()
            ),
            Column("best", [number(row.best) for row in rows], right=True),
            Column("measure", [row.measure or "" for row in rows]),
            Column("task", [row.task or "" for row in rows], rank=8),
        ],
        width,
        chosen,
    )
    yield from lines(columns, None if chosen else width)
    if left:
        yield f"left out at {width} columns: {', '.join(left)}; --wide shows all, --columns some"
    yield from (f"the driver of {row.sweep} died: {row.resume}" for row in rows if row.status == "died")
    older = [row.sweep for row in rows if str(row.measure).startswith("cold ") and row.cold_by != cold.RULE]
    yield from (f"{name}: {cold.SAID}" for name in older)
    yield from (f"damaged: {row.sweep}: {row.reason}" for row in rows if row.status == "damaged")
