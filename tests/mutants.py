"""Small mutations of the core, each run against the tests of its module: a survivor shows a test that is missing.

    python -m tests.mutants --sample 30 --seed 1

A mutation turns a comparison, swaps an operator, moves a number, drops a `not`, a minus or a call, or returns None. It
is made in a copy of the repository. A survivor that changes nothing anybody could see needs no test.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tests.mirror import files_of, modules
from tests.tracked import ROOT, repository

CORE = """
indexes/* journal/[elor]* losses/* measures/* topk/* training/* tasks/leakage tasks/splits
registry/finalists registry/findings registry/gates registry/gating
sweep/beside sweep/conductor sweep/failures sweep/pruner sweep/sampler sweep/shelf sweep/space sweep/study
systems/base systems/candidates systems/documents systems/judgements systems/pair_system systems/pairs
systems/pipeline systems/ranking systems/rerankers systems/reranking systems/transform systems/two_stage
""".split()
LIMIT = 300
"""Seconds for the tests of one mutant."""
QUICK = "not slow and not browser and not faults and not ray"
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
    module: str
    line: int
    source: str
    changed: str

    def tests(self, copy: Path) -> list[Path]:
        return [copy / "nvf" / f"{self.module}.py", *(copy / path.relative_to(ROOT) for path in files_of(self.module))]

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


def outcome(copy: Path, files: list[Path], limit: float) -> str:
    """Return what these tests make of the copy as it is: killed, survived or hung."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", QUICK, *map(str, files)]
    environment = {**os.environ, "PYTHONPATH": str(copy), "NVF_MLRUNS": str(copy / "mlruns")}
    away = subprocess.DEVNULL
    run = subprocess.Popen(command, cwd=copy, env=environment, stdout=away, stderr=away, start_new_session=True)
    try:
        return "survived" if run.wait(limit) in (0, 5) else "killed"
    except subprocess.TimeoutExpired:
        return "hung"
    finally:
        if run.returncode is None:
            os.killpg(run.pid, signal.SIGKILL)


def main() -> None:
    """Draw a sample, run it, and print who survived."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sample", type=int, default=30, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--only", default="*", help="modules, such as 'sweep/*'")
    asked = parser.parse_args()
    core = [name for name in modules() if any(fnmatch(name, part) for part in CORE) and fnmatch(name, asked.only)]
    every = [mutant for name in core for mutant in mutants(name)]
    drawn = random.Random(asked.seed).sample(every, min(asked.sample, len(every)))
    print(f"{len(drawn)} of {len(every):,} mutants of {len(core)} modules, seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="nvf-mutants-") as temporary:
        copy = Path(temporary)
        for path in repository() or sys.exit("git does not know this folder: what to copy is not known"):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, copy / path)
        files = sorted({path for mutant in drawn for path in mutant.tests(copy)})
        if (sound := outcome(copy, files, len(drawn) * LIMIT)) != "survived":
            sys.exit(f"without any mutation the tests are {sound}: run them, and mend that first")
        ends = []
        for number, mutant in enumerate(sorted(drawn, key=lambda each: (each.module, each.line)), 1):
            path, began = copy / "nvf" / f"{mutant.module}.py", time.monotonic()
            path.write_text(mutant.changed)
            ends.append(outcome(copy, mutant.tests(copy), LIMIT))
            path.write_text(mutant.source)
            shown = str(mutant) if ends[-1] != "killed" else str(mutant).splitlines()[0]
            print(f"{number:4}  {ends[-1]:<8}  {time.monotonic() - began:3.0f} s  {shown}", flush=True)
    print(", ".join(f"{ends.count(end)} {end}" for end in ("killed", "survived", "hung")))


if __name__ == "__main__":
    main()
