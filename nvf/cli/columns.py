"""Tables that fit: columns are left out whole, by name, so that no cell is ever cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

from rich.cells import cell_len
from rich.text import Text

from nvf.errors import UsageError, nearest

GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name
        What `--columns` calls it; columns that only make sense together share a name.
    cells
        One for each row.
    header
        What stands above them where that is not the name, in one line or several.
    right
        Whether cells end at the same place, as figures do.
    rank
        0 is always shown; the higher, the sooner it is left out. None is shown only when it is asked for.
    """

    name: str
    cells: Sequence[str]
    header: str | None = None
    _: KW_ONLY
    right: bool = False
    rank: int | None = 0

    @property
    def head(self) -> list[str]:
        """The lines of the header."""
        return (self.name if self.header is None else self.header).split("\n")

    @property
    def width(self) -> int:
        """Cells of the terminal that it takes."""
        return max((cell_len(text) for text in (*self.head, *self.cells)), default=0)


def fit(columns: Sequence[Column], width: int, chosen: Sequence[str] | None = None) -> tuple[list[Column], list[str]]:
    """Return the columns that fit into `width` cells beside one another, and the names of those left out.

    `chosen` names those to show instead, however wide they are; raises `UsageError` where one is that of no column.
    """
    known = {column.name: column.rank if any(column.cells) else None for column in columns}
    if chosen is not None:
        for name in chosen:
            if name not in known:
                raise UsageError(f"--columns: there is no column '{name}'{nearest(name, known)}")
        return [column for name in dict.fromkeys(chosen) for column in columns if column.name == name], []
    shown = {name for name, rank in known.items() if rank == 0}
    left = []
    for name, rank in sorted(known.items(), key=lambda pair: pair[1] or 0):
        if rank and _wide([each for each in columns if each.name in shown | {name}]) <= width:
            shown.add(name)
        elif rank:
            left.append(name)
    return [each for each in columns if each.name in shown], left


def lines(columns: Sequence[Column], width: int | None = None, dim: Sequence[bool] = ()) -> list[Text]:
    """Return a table, header first. Where it is wider than `width`, each row's first cell stands on a line of its own.

    `dim` names the rows that are set back, by their place.
    """
    stacked = width is not None and _wide(columns) > width and len(columns) > 1
    height = max(len(column.head) for column in columns)
    heads = [["", *[""] * height, *column.head][-height:] for column in columns]
    rows = [*zip(*heads, strict=True), *zip(*(column.cells for column in columns), strict=True)]
    shown = []
    for place, row in enumerate(rows, start=-height):
        style = "dim" if 0 <= place < len(dim) and dim[place] else "bold" if place < 0 else ""
        if stacked:
            shown += [Text(row[0], style), Text(" " * GAP + _line(columns[1:], row[1:]), style)]
        else:
            shown.append(Text(_line(columns, row), style))
    return [each for each in shown if each.plain.strip()]


def _wide(columns: Sequence[Column]) -> int:
    return sum(column.width + GAP for column in columns) - GAP


def _line(columns: Sequence[Column], row: Sequence[str]) -> str:
    cells = []
    for column, text in zip(columns, row, strict=True):
        pad = " " * (column.width - cell_len(text))
        cells.append(pad + text if column.right else text + pad)
    return (" " * GAP).join(cells).rstrip()
