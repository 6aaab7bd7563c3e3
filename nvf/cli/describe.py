"""Commands that say what there is: systems, tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from nvf.cli import complete
from nvf.cli.options import AsJson, print_json
from nvf.params import Bounds
from nvf.plugins import Table

System = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="one system, with its parameters", autocompletion=complete.systems),
]
Source = Annotated[
    str | None, typer.Argument(metavar="NAME", help="one source, with its options", autocompletion=complete.tasks)
]
GAP = 2
LONGEST = 26
"""Characters of a name that its description stands beside; under a longer one it begins on the next line."""


def systems(name: System = None, json: AsJson = False) -> None:
    """List the systems. With NAME: its parameters, bounds, defaults and source."""
    from nvf.systems import SYSTEMS
    from nvf.systems.catalogue import catalogue, get

    broken = _load(SYSTEMS) if name is None else []
    entries = list(catalogue().values()) if name is None else [get(name)]
    if json:
        print_json([{**asdict(entry), "params": _params(entry.params)} for entry in entries])
        return
    if name is None:
        _print([(entry.name, f"{entry.kind}: {entry.summary}") for entry in entries])
        print("\nnvf systems NAME shows the parameters of one")
        _print([("", each) for each in broken])
        return
    (entry,) = entries
    _detail(f"{entry.name} ({entry.kind})", [entry.summary, f"source: {entry.source}"], entry.params)


def tasks(name: Source = None, json: AsJson = False) -> None:
    """List the sources of tasks. With NAME: its options, bounds and defaults."""
    from nvf.params import bounds
    from nvf.tasks import SOURCES

    broken = _load(SOURCES) if name is None else []
    sources = list(SOURCES.values()) if name is None else [SOURCES.find(name)]
    if json:
        print_json(
            [{"name": each.name, "summary": each.summary, "params": _params(bounds(each.Params))} for each in sources]
        )
    elif name is None:
        _print([(each.name, each.summary) for each in sources])
        print("\nnvf tasks NAME shows the options of one")
        _print([("", each) for each in broken])
    else:
        _detail(f"task: {{source: {name}}}", [sources[0].summary], bounds(sources[0].Params))


def _load(table: Table[Any]) -> list[str]:
    """Load what installed packages bring; return what is wrong with those that are broken."""
    return [f"broken: {error}" for _, error in table.brought() if error is not None]


def _params(params: Mapping[str, Bounds]) -> dict[str, dict[str, Any]]:
    """Return each parameter's bounds with its type under `type`, without what says nothing."""
    found = {}
    for name, bound in params.items():
        rest = {key: value for key, value in asdict(bound).items() if value not in (None, False, "")}
        always = {"type": bound.kind, "default": bound.default, "low": bound.low, "high": bound.high}
        found[name] = {**always, **{key: value for key, value in rest.items() if key not in ("kind", *always)}}
    return found


def _detail(head: str, lines: Sequence[str], params: Mapping[str, Bounds]) -> None:
    print(head)
    for line in lines:
        _print([("", line)])
    print()
    _print([(f"  {name}", _said(bound)) for name, bound in params.items()] or [("", "no parameters")])


def _said(bound: Bounds) -> str:
    """Return what a parameter may be and what it does.

    >>> _said(Bounds("float", 0.05, 0.01, 0.2, log=True, doc="of the softmax"))
    'float in [0.01, 0.2] log, default 0.05: of the softmax'
    """
    if bound.choices:
        kind = " | ".join(map(str, bound.choices))
    elif bound.low is None and bound.high is None:
        kind = bound.kind
    else:
        low, high = ("" if end is None else end for end in (bound.low, bound.high))
        kind = f"{bound.kind} in [{low}, {high}]{' log' if bound.log else ''}"
    default = "null" if bound.default is None else _value(bound.default)
    return f"{kind}, {'required' if bound.required else f'default {default}'}: {bound.doc}"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _print(rows: Sequence[tuple[str, str]]) -> None:
    """Print names with what is said of each beside them, folded at the width of the terminal."""
    from nvf.cli.render import console

    out = console()
    indent = max((len(name) for name, _ in rows if len(name) <= LONGEST), default=0) + GAP
    for name, said in rows:
        if len(name) + GAP > indent:
            out.print(name)
            name = ""
        out.print(f"{name.ljust(indent)}{said}", hang=indent)


COMMANDS = (systems, tasks)
