"""Small mutations of the core, each run against the tests of its module: a survivor shows a test that is missing.

    python -m tests.mutants --sample 30 --seed 1

They are made in a copy of the repository. A survivor that changes nothing anybody could see needs no test. Of the
tools that there are, mutmut leaves out every function with a decorator, and Cosmic Ray changes the working tree.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from fnmatch import fnmatch
from pathlib import Path
from typing import NoReturn

import pytest

from tests.mirror import files_of, modules
from tests.mutations import Mutant, mutants
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
HEAVY = ("alembic", "bm25s", "hypothesis", "mlflow", "optuna", "pydantic", "safetensors.torch", "scipy.stats", "torch")
"""Imported once, since that takes longer than most tests."""
QUICK = "not slow and not browser and not faults and not ray"


def tests(mutant: Mutant, copy: Path) -> list[Path]:
    """Return what is run of the copy: the test files of the module, then its examples."""
    return [*(copy / path.relative_to(ROOT) for path in files_of(mutant.module)), copy / "nvf" / f"{mutant.module}.py"]


def outcome(copy: Path, files: list[Path], limit: float) -> str:
    """Return what these tests make of the copy as it is: killed, survived or hung."""
    run = multiprocessing.get_context("fork").Process(target=_tested, args=(copy, files))
    run.start()
    run.join(limit)
    if run.exitcode is not None:
        return "survived" if run.exitcode in (0, 5) else "killed"
    os.killpg(run.pid or 0, signal.SIGKILL)
    run.join()
    return "hung"


def _tested(copy: Path, files: list[Path]) -> NoReturn:
    """Run tests in the copy and end with pytest's exit code."""
    os.setsid()
    os.chdir(copy)
    os.environ |= {"PYTHONPATH": str(copy), "NVF_MLRUNS": str(copy / "mlruns")}
    sys.path[:] = [str(copy), *(path for path in sys.path if path not in ("", str(ROOT)))]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("nvf", "tests")]:
        del sys.modules[name]
    away = os.open(os.devnull, os.O_WRONLY)
    os.dup2(away, 1)
    os.dup2(away, 2)
    sys.exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", QUICK, *map(str, files)]))


def main() -> None:
    """Draw a sample, run it, and print who survived."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sample", type=int, default=30, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--only", default="*", help="modules, such as 'sweep/*'")
    parser.add_argument("--trust", action="store_true", help="do not try first whether the tests pass")
    asked = parser.parse_args()
    core = [name for name in modules() if any(fnmatch(name, part) for part in CORE) and fnmatch(name, asked.only)]
    every = [mutant for name in core for mutant in mutants(name)]
    drawn = random.Random(asked.seed).sample(every, min(asked.sample, len(every)))
    print(f"{len(drawn)} of {len(every):,} mutants of {len(core)} modules, seed {asked.seed}", flush=True)
    for name in HEAVY:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="nvf-mutants-") as temporary:
        copy = Path(temporary)
        for path in repository() or sys.exit("git does not know this folder: what to copy is not known"):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, copy / path)
        files = [*dict.fromkeys(path for mutant in drawn for path in tests(mutant, copy))]
        files.sort(key=lambda path: path.is_relative_to(copy / "nvf"))
        if not asked.trust and (sound := outcome(copy, files, len(drawn) * LIMIT)) != "survived":
            sys.exit(f"without any mutation the tests are {sound}: run them, and mend that first")
        ends = []
        for number, mutant in enumerate(sorted(drawn, key=lambda each: (each.module, each.line)), 1):
            path, began = copy / "nvf" / f"{mutant.module}.py", time.monotonic()
            path.write_text(mutant.changed)
            ends.append(outcome(copy, tests(mutant, copy), LIMIT))
            path.write_text(mutant.source)
            shown = str(mutant) if ends[-1] != "killed" else str(mutant).splitlines()[0]
            print(f"{number:4}  {ends[-1]:<8}  {time.monotonic() - began:3.0f} s  {shown}", flush=True)
    print(", ".join(f"{ends.count(end)} {end}" for end in ("killed", "survived", "hung")))


if __name__ == "__main__":
    main()
