"""Does a corpus of 1,000,000 documents train? Quality, time and memory from 1,000 documents on.

    python benchmarks/corpus_size.py [--sizes 1000 10000 100000 1000000] [--dim 32] [--sample 4096] [--whole 10000]

trains `linear` on the query, `soft_attention` and `two_tower`, each in a process of its own, for one epoch over 20,000
generated queries (anisotropic noise), with a sample of the corpus as negatives; up to --whole documents also with all
of them. Success@1 on 500 dev queries, beside raw and the Bayes decision. Seconds are those of the epoch alone, memory
is the peak resident size of the whole process, the vectors included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from typing import Any

from nvf import systems, tasks
from nvf.measures.evaluate import evaluate
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Task
from nvf.training.loop import Training

SIZES = (1_000, 10_000, 100_000, 1_000_000)
MEASURE = "Success@1"
SYSTEMS: dict[str, dict[str, Any]] = {
    "linear": {"heads": "query", "lr": 3e-3},
    "soft_attention": {},
    "two_tower": {"lr": 1e-3, "negatives": "corpus"},
}
BATCH = 128


def generated(documents: int, dim: int) -> Task:
    """Return the task of so many documents; the noise leaves raw and the Bayes decision apart at each size."""
    options = {"source": "synthetic", "documents": documents, "dim": dim, "noise": 0.1, "map": "anisotropic"}
    return tasks.build({**options, "train": 20_000, "dev": 500, "test": 1})


def floors(documents: int, dim: int) -> dict[str, float]:
    """Return what raw and the Bayes decision have on dev."""
    task = generated(documents, dim)
    found = {}
    for name in ("raw", "oracle"):
        system = systems.create(name, {}, task.corpus)
        system.prepare(task, 0)
        dev = task.split("dev")
        found[name] = evaluate(rank_split(system, dev, 1), dev, None, [MEASURE]).figures["all"][MEASURE]
    return found


def trained(name: str, documents: int, dim: int, sample: int | None) -> dict[str, float]:
    """Return quality, seconds of the epoch, and GiB; for a process of its own, whose peak it is."""
    task = generated(documents, dim)
    system = systems.create(name, {**SYSTEMS[name], "batch_size": BATCH, "sample": sample}, task.corpus)
    training = Training(system, task, seed=0, epochs=1, measures=[MEASURE])
    training.prepare()
    record = training.epoch(1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"quality": record.figures["all"][MEASURE], "seconds": record.clock["seconds"], "GiB": peak}


def alone(*call: str | int | None) -> dict[str, float]:
    """Return what a function of this file returns in a process of its own."""
    name, *arguments = call
    code = f"import corpus_size, json; print(json.dumps(corpus_size.{name}(*{arguments!r})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=__file__.rpartition("/")[0] or ".", stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"{call} failed with exit status {done.returncode}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def table(sizes: tuple[int, ...] = SIZES, dim: int = 32, sample: int = 4096, whole: int = 10_000) -> str:
    """Return the Markdown table."""
    lines = [
        "| documents | raw, Bayes | system | competes with | Success@1 | seconds an epoch | peak GiB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for documents in sizes:
        known = alone("floors", documents, dim)
        for name in SYSTEMS:
            drawn = [None] if documents <= whole else []
            for size in [*drawn, *([sample] if sample < documents else [])]:
                found = alone("trained", name, documents, dim, size)
                over = "all" if size is None else f"{size:,} drawn"
                lines.append(
                    f"| {documents:,} | {known['raw']:.3f}, {known['oracle']:.3f} | {name} | {over} | "
                    f"{found['quality']:.3f} | {found['seconds']:.0f} | {found['GiB']:.2f} |"
                )
                print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def main() -> None:
    """Parse, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--dim", type=int, default=32)
    parser.add_argument("--sample", type=int, default=4096)
    parser.add_argument("--whole", type=int, default=10_000, help="largest corpus that competes as a whole")
    options = parser.parse_args()
    print(table(tuple(options.sizes), options.dim, options.sample, options.whole))


if __name__ == "__main__":
    main()
