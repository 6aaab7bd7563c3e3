"""The description of a registered model: what it is, and where its aliases have been, for people to read."""

from __future__ import annotations

from collections.abc import Sequence

from nvf.registry.moves import Move
from nvf.text import GAP, head, number, row, when

HEAD = "Retrievers found by nvf."
LENGTH = 4_500
"""Characters; MLflow's databases keep 5,000."""


def introduction(model: str, moves: Sequence[tuple[str, Move]]) -> str:
    """Return the description of `model`, given the moves of its aliases: the last ones, as far as there is room."""
    rows = [row(_cells(alias, move), GAP) for alias, move in sorted(moves, key=lambda pair: -pair[1].at)]
    first = head(("when (UTC)", "alias", "version", "move", "trial", "figure", "who"), GAP)
    start = f"{HEAD} A version's page is its card: figures, floors, gates. What its aliases did, the last move first:\n"
    end = f"\nAll moves: `nvf history {model}`; back to the version before: `nvf rollback {model}`"
    room = LENGTH - len("\n".join((start, *first, end)))
    while rows and len("\n".join(rows)) > room:
        rows.pop()
    return "\n".join((start, *first, *rows, end))


def _cells(alias: str, move: Move) -> list[str]:
    trial = f"{move.detail.sweep}/{move.detail.trial:04d}" if move.detail.sweep else "-"
    name, value = next(iter((move.detail.figures or {}).items()), ("", None))
    figure = f"{name} {number(value)}" if name else "-"
    version = f"{move.before or '-'} to {move.after}"
    kind = move.kind + " (forced)" * (move.forced is not None)
    return [when(move.at), alias, version, kind, trial, figure, move.who]
