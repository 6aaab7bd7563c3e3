"""The small mutations that `tests/mutants.py` makes of a module.

A mutation turns a comparison, swaps an operator, moves a number, drops a `not`, a minus or a call, or returns None.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.tracked import ROOT

OPERATORS: dict[type[ast.AST], list[Any]] = {
    ast.Lt: [ast.LtE, ast.GtE], ast.LtE: [ast.Lt, ast.Gt], ast.Gt: [ast.GtE, ast.LtE], ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot], ast.IsNot: [ast.Is], ast.In: [ast.NotIn],
    ast.NotIn: [ast.In], ast.And: [ast.Or], ast.Or: [ast.And], ast.Add: [ast.Sub], ast.Sub: [ast.Add],
    ast.Mult: [ast.Div], ast.Div: [ast.Mult], ast.FloorDiv: [ast.Mult], ast.Mod: [ast.Mult], ast.Pow: [ast.Mult],
    ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd],
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "amax": "amin", "argmax": "argmin"}
UNSEEN = (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)
"""Words, types, and what only a bug of nvf's own would run."""


@dataclass(frozen=True)
class Mutant:
    """A module with one place changed."""

    module: str
    line: int
    source: str
    changed: str

    def __str__(self) -> str:
        lines = difflib.unified_diff(self.source.splitlines(), self.changed.splitlines(), n=0, lineterm="")
        shown = "".join(f"\n      {line}" for line in lines if line[:2] not in ("--", "++", "@@"))
        return f"nvf/{self.module}.py:{self.line}{shown}"


def seen(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below `tree` that behaviour hangs on."""
    for name, value in ast.iter_fields(tree):
        for node in value if isinstance(value, list) else [value]:
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            skipped = name in ("annotation", "returns", "decorator_list") or called in ("param", "nested", "log.info")
            if isinstance(node, ast.AST) and not isinstance(node, UNSEEN) and not skipped:
                yield node
                yield from seen(node)


def changes(node: ast.AST) -> Iterator[str]:
    """Yield what could stand in the place of a node."""
    match node:
        case ast.Compare(left, [op, *ops], right):
            yield from (ast.unparse(ast.Compare(left, [other(), *ops], right)) for other in OPERATORS[type(op)])
        case ast.BinOp(left, op, right):
            yield from (f"({ast.unparse(ast.BinOp(left, other(), right))})" for other in OPERATORS.get(type(op), []))
        case ast.BoolOp(op, values):
            yield from (f"({ast.unparse(ast.BoolOp(other(), values))})" for other in OPERATORS[type(op)])
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield f"({ast.unparse(operand)})"
        case ast.Constant(bool() as value):
            yield str(not value)
        case ast.Constant(int() | float() as value):
            yield repr(1 - value if value in (0, 1) else value + 1)
        case ast.Call(ast.Name(name) | ast.Attribute(attr=name)) if name in NAMES:
            yield re.sub(rf"\b{name}\(", f"{NAMES[name]}(", ast.unparse(node), count=1)
        case ast.IfExp(test, body, orelse):
            yield f"({ast.unparse(ast.IfExp(test, orelse, body))})"
        case ast.Return(value) if value is not None and ast.unparse(value) != "None":
            yield "return None"
        case ast.Expr(ast.Call()) | ast.AugAssign():
            yield "pass"


def mutants(module: str) -> Iterator[Mutant]:
    """Yield all mutants of a module."""
    source = (ROOT / "nvf" / f"{module}.py").read_text()
    lines = source.encode().splitlines(keepends=True)
    for node in seen(ast.parse(source)):
        for text in changes(node):
            begin, end = (
                len(b"".join(lines[: getattr(node, line) - 1])) + getattr(node, column)
                for line, column in (("lineno", "col_offset"), ("end_lineno", "end_col_offset"))
            )
            changed = source.encode()[:begin] + text.encode() + source.encode()[end:]
            yield Mutant(module, getattr(node, "lineno", 0), source, changed.decode())
