"""The command that asks the champion: one question, a prompt that stays open, or a question per line of a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from nvf.cli.complete import models
from nvf.cli.options import AsJson, Set, TaskFile, print_json, task_of
from nvf.errors import UsageError

if TYPE_CHECKING:
    from nvf.registry.retriever import Hit
    from nvf.registry.search import Search

Text = Annotated[
    str | None,
    typer.Argument(metavar="TEXT", help="the question; without it a prompt, or a line of stdin each"),
]
Model = Annotated[
    str | None, typer.Option(help="a registered model, e.g. models:/quickstart@champion", autocompletion=models)
]
Hits = Annotated[int, typer.Option("--top", min=1, help="how many answers")]
INDENT = " " * 5
WIDEST = 500
"""Columns where the output is no terminal."""


def search(
    text: Text = None,
    model: Model = None,
    task: TaskFile = None,
    set_: Set = None,
    top: Hits = 10,
    json: AsJson = False,
) -> None:
    """Ask the champion. Without TEXT again and again, until an empty line or Ctrl-D."""
    from nvf import api

    opening = partial(api.load, model, task=task_of(task, set_))
    if text is not None:
        if not text.strip():
            raise UsageError("the question is empty: nvf search 'how do I ...'")
        hits = opening()
        if json:
            print_json([asdict(hit) for hit in hits.ask(text, top)])
        else:
            _show(hits, text, top)
        return
    opened = opening() if sys.stdin.isatty() else None
    for question in _questions():
        opened = opened or opening()
        if json:
            _print_line(question, opened.ask(question, top))
            continue
        if not sys.stdin.isatty():
            print(question)
        _show(opened, question, top)
        print(flush=True)
    if opened is None:
        raise UsageError("no question: nvf search 'how do I ...', or a question per line on standard input")


def _questions() -> Iterator[str]:
    """Yield what is typed until an empty line or the end, or the lines of a pipe that are not empty."""
    if not sys.stdin.isatty():
        yield from (line.strip() for line in sys.stdin if line.strip())
        return
    import readline  # noqa: F401 - gives `input` its history and its arrow keys

    print("Ask; an empty line ends.", file=sys.stderr)
    while True:
        try:
            typed = input("? " if sys.stdout.isatty() else "").strip()
        except EOFError:
            print(file=sys.stderr)
            return
        if not typed:
            return
        yield typed


def _print_line(question: str, hits: list[Hit]) -> None:
    answered = {"question": question, "hits": [asdict(hit) for hit in hits]}
    print(json.dumps(answered, ensure_ascii=False, allow_nan=False), flush=True)


def _show(opened: Search, question: str, top: int) -> None:
    """Print the hits, each with as much of its text as a line holds; an id is never cut."""
    from rich import text

    from nvf.cli.render import console

    out = console()
    width = min(out.width, WIDEST)
    for hit in opened.ask(question, top, length=2 * width):
        print(f"{hit.rank:>3}  {hit.score:8.4f}  {hit.id}")
        if hit.text:
            line = text.Text(f"{INDENT}{' '.join(hit.text.split())}")
            line.truncate(width, overflow="ellipsis")
            print(line.plain)


COMMANDS = (search,)
