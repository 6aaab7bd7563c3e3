"""Makes the tables of docs/results.md.

    python benchmarks/results.py                   # which tables there are, and what each is made from
    python benchmarks/results.py TABLE [TABLE ...] # prints them
    python benchmarks/results.py TABLE --write     # puts them into the page, between their marks

A table is read from journals where there are any: run the commands that the list names first. The others are trained
when asked for, and take minutes.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tables
from tables import Row

from nvf.errors import NvfError

PAGE = Path(__file__).parents[1] / "docs" / "results.md"
MARKED = re.compile(r"<!-- table: (?P<name>[\w-]+) -->\n(?P<table>.*?)<!-- end -->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Table:
    """How a table is made.

    Attributes
    ----------
    make
        Returns it as Markdown.
    needs
        The commands that it is read from; none where `make` trains by itself.
    """

    make: Callable[[], str]
    needs: tuple[str, ...] = ()


TABLES: dict[str, Table] = {}


def written(text: str, name: str, table: str) -> str:
    """Return the page with the named table between its marks; raises `SystemExit` where it has no such marks."""
    if name not in {found["name"] for found in MARKED.finditer(text)}:
        raise SystemExit(f"{PAGE.name} has no <!-- table: {name} -->")
    return MARKED.sub(
        lambda found: f"<!-- table: {name} -->\n{table}\n<!-- end -->" if found["name"] == name else found[0], text
    )


def main() -> None:
    """List, print, or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[[], *TABLES], metavar="TABLE")
    parser.add_argument("--write", action="store_true", help="put them into docs/results.md")
    options = parser.parse_args()
    if not options.tables:
        for name, table in TABLES.items():
            print("\n    ".join([name, *(table.needs or ("made when asked for",))]))
    for name in options.tables:
        try:
            made = TABLES[name].make()
        except NvfError as error:
            raise SystemExit("\n    ".join([f"{error}; run", *TABLES[name].needs])) from None
        if options.write:
            PAGE.write_text(written(PAGE.read_text(), name, made))
        else:
            print(f"{made}\n")


if __name__ == "__main__":
    main()
