"""The description of a sweep's MLflow run: its leaderboard, its confirmation, and what was promoted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from nvf import text
from nvf.journal.leaderboard import Leaderboard, Row
from nvf.journal.result import ConfirmationResult
from nvf.measures.comparison import Comparison, probability
from nvf.measures.parse import VIEWS
from nvf.overlap import sentences
from nvf.text import number
from nvf.types import Figures

_row, _head = partial(text.row, gap=text.GAP), partial(text.head, gap=text.GAP)
LENGTH = 7_800
"""Characters; MLflow keeps 8,000."""


def markdown(
    board: Leaderboard,
    confirmed: ConfirmationResult | None = None,
    promoted: Iterable[str] = (),
    links: Mapping[str, str] | None = None,
) -> str:
    """Return the description as markdown; `promoted` has a line for each promotion, `links` title -> address in the UI.

    The table of trials ends where the text would grow over `LENGTH`; the rest is counted.
    """
    views = [view for view in VIEWS if any(view in of for of in board.floor_figures.values())] or ["all"]
    shown = board.shown
    columns = ["trial", "system", "outcome", "best epoch", "epochs run", *_titles(shown, views), "diagnoses"]
    rows = [_trial(trial, shown, views) for trial in board.trials]
    tail = "\n".join([*_floors(board, shown, views), *_parts(board, confirmed, promoted)])
    title = f"**{board.sweep}** ({board.status}): {board.measure} on dev, best epoch of each trial, best first\n"
    head = [_links(links or {}), title, *_head(columns)]
    room = LENGTH - len("\n".join(head)) - len(tail) - 100
    fitting: list[str] = []
    while len(fitting) < len(rows) and room >= len(rows[len(fitting)]):
        room -= len(rows[len(fitting)]) + 1
        fitting.append(rows[len(fitting)])
    more = [f"\n... and {len(rows) - len(fitting)} more\n"] if len(fitting) < len(rows) else [""]
    return "\n".join([*head, *fitting, *more, tail]).strip()[:LENGTH]


def _parts(board: Leaderboard, confirmed: ConfirmationResult | None, promoted: Iterable[str]) -> list[str]:
    lines = [*sentences(board.leaks), *board.notes, *promoted]
    return [*(_confirmation(confirmed) if confirmed else []), "", *(f"- {line}" for line in lines)]


def _links(links: Mapping[str, str]) -> str:
    return " | ".join(f"[{title}]({address})" for title, address in links.items()) + "\n" if links else ""


def _titles(measure: str, views: Sequence[str]) -> list[str]:
    return [measure if view == "all" else f"{view} {measure}" for view in views]


def _figures(figures: Figures, measure: str, views: Sequence[str]) -> list[str]:
    return [number(figures.get(view, {}).get(measure)) for view in views]


def _trial(trial: Row, measure: str, views: Sequence[str]) -> str:
    epoch = "-" if trial.best_epoch is None else str(trial.best_epoch)
    cells = [f"{trial.trial:04d}", trial.system, trial.outcome, epoch, str(trial.epochs)]
    return _row([*cells, *_figures(trial.figures, measure, views), ", ".join(trial.diagnoses)])


def _floors(board: Leaderboard, measure: str, views: Sequence[str]) -> list[str]:
    """Return a table of what a trial has to beat, and of what it cannot."""
    kinds = (("ceiling", board.ceiling_figures), ("floor", board.floor_figures))
    rows = [_row([kind, name, *_figures(of, measure, views)]) for kind, by in kinds for name, of in by.items()]
    return [*_head(["", "untrained", *_titles(measure, views)]), *rows] if rows else []


def _confirmation(result: ConfirmationResult) -> list[str]:
    """Return the last confirmation: finalists and floors on test, and how far they are apart."""
    measure, finalists = result.compared, result.finalists
    views = [view for view in VIEWS if any(view in row.test for row in finalists)]
    figures = {f"{row.trial:04d} {row.system}": row.test for row in finalists}
    figures |= {f"floor {name}": of for name, of in result.floors.items()}
    times = f"{result.opened} time{'s' * (result.opened > 1)}"
    return [
        f"\n**Confirmation {result.confirmation}** on test, opened {times}; {result.seeds} seeds\n",
        *_head(["", *_titles(measure, views)]),
        *(_row([name, *_figures(of, measure, views)]) for name, of in figures.items()),
        "",
        *_head(["trial", "against", f"{measure}: difference", "95 % interval", "p"]),
        *(
            _row([f"{row.trial:04d}", name, *_difference(by_view["all"])])
            for row in finalists
            for name, by_view in row.against.items()
        ),
    ]


def _difference(line: Comparison) -> list[str]:
    return [f"{line.difference:+.4f}", line.interval, probability(line.p)]
