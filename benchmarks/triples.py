"""How much memory it takes to make a task of half a million triples (less than 6 GiB is promised), and to train on it.

    python benchmarks/triples.py [--triples 500000] [--queries 100000] [--dim 768] [--bound 6] [--train]

Writes random unit vectors and a file of triples, each with a positive and a negative of its own, in an order that is
not that of the vectors; then a fresh process makes the snapshot, watched ten times a second. Needs four times the size
of the vectors on disk in a temporary NVF_MLRUNS. Anonymous memory is what the process holds; the rest of its resident
size is pages of mapped files, which the system takes back as it needs them. Near-duplicate queries are found among all
pairs: time grows with the square of --queries. Exit status 1 where the resident size passes the bound (GiB).

--train also trains each of HEADS for one of nvf's epochs, which asks every query once, for one of its positives. For
all triples to have their turn it takes as many as a query has triples. The vectors are random, so that there is nothing
to learn: only time and memory mean something. --keep FOLDER leaves the files, for search_spaces/triples.yaml.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import psutil

HEADS: dict[str, tuple[str, dict[str, Any]]] = {
    "linear, batch": ("linear", {"heads": "query", "negatives": "batch"}),
    "linear, judged": ("linear", {"heads": "query", "negatives": "judged"}),
    "linear, 4,096 drawn": ("linear", {"heads": "query", "sample": 4096}),
    "jepa": ("jepa", {"batch_size": 128}),
    "jepa, InfoNCE, judged": ("jepa", {"batch_size": 128, "lambda_contrastive": 1.0, "negatives": "judged"}),
}
"""What is trained, 128 queries a batch."""
SHARE = 0.005
"""Of the queries, for dev and for test each."""
CHUNK = 10_000
GIB = 2**30


def write_vectors(folder: Path, name: str, count: int, dim: int) -> None:
    """Write `count` random unit vectors, with their numbers as ids in a random order."""
    random = np.random.default_rng(count)
    vectors = np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.float32, shape=(count, dim))
    for start in range(0, count, CHUNK):
        part = random.standard_normal((min(CHUNK, count - start), dim), dtype=np.float32)
        vectors[start : start + CHUNK] = part / np.linalg.norm(part, axis=1, keepdims=True)
    vectors.flush()
    (folder / f"{name}_ids.json").write_text(json.dumps(random.permutation(count).tolist()))


def write_triples(folder: Path, triples: int, queries: int) -> None:
    """Write triples whose documents are all different and whose queries come round in turn."""
    with (folder / "triples.jsonl").open("w") as file:
        for row in range(triples):
            line = {"query": row % queries, "positive": 2 * row, "negative": 2 * row + 1}
            file.write(json.dumps(line) + "\n")


def anonymous(process: psutil.Process) -> int:
    """Return the bytes of anonymous memory, which no file backs."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")))


def watch(child: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Return the peaks of the resident size and of its anonymous part, in GiB, when the child has ended."""
    process, resident, held = psutil.Process(child.pid), 0, 0
    while child.poll() is None:
        try:
            resident = max(resident, process.memory_info().rss)
            held = max(held, anonymous(process))
        except (psutil.Error, OSError, StopIteration):  # it has just ended
            break
        time.sleep(0.1)
    if child.wait():
        raise SystemExit(f"{child.args!r} failed with exit status {child.returncode}")
    return resident / GIB, held / GIB


def train(snapshot: str, name: str) -> None:
    """Train a head for an epoch, and print the seconds, dev left out; for a process of its own, which is watched."""
    from nvf import systems
    from nvf.tasks.snapshot import open_snapshot
    from nvf.training.loop import Training

    task = open_snapshot(Path(snapshot))
    system, params = HEADS[name]
    training = Training(systems.create(system, params, task.corpus), task, seed=0, epochs=1, measures=["RR@10"])
    training.prepare()
    print(training.epoch(1).clock["seconds"])


def epochs(snapshot: Path, triples: int, queries: int) -> str:
    """Return the Markdown table of each of HEADS."""
    lines = [
        f"| head, negatives | seconds an epoch of {queries:,} queries | for {triples:,} triples | "
        "peak resident GiB | of which anonymous |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in HEADS:
        command = [sys.executable, "-c", f"import triples; triples.train({str(snapshot)!r}, {name!r})"]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent)
        resident, held = watch(child)
        assert child.stdout is not None
        seconds = float(child.stdout.read())
        whole = seconds * triples / queries
        lines.append(f"| {name} | {seconds:.0f} | {whole:.0f} | {resident:.2f} | {held:.2f} |")
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def main() -> int:
    """Parse, write, watch, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triples", type=int, default=500_000)
    parser.add_argument("--queries", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--bound", type=float, default=6.0, help="GiB that may be resident")
    parser.add_argument("--train", action="store_true", help="also train on it")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the files there")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() if options.keep is None else nullcontext(options.keep) as name:
        folder = Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        write_vectors(folder, "queries", options.queries, options.dim)
        write_vectors(folder, "corpus", 2 * options.triples, options.dim)
        write_triples(folder, options.triples, options.queries)
        size = sum(path.stat().st_size for path in folder.glob("*.npy")) / GIB
        print(f"{options.triples:,} triples, {options.queries:,} queries, {2 * options.triples:,} documents")
        print(f"x {options.dim} float32: {size:.2f} GiB of vectors")
        paths = {"path": str(folder / "triples.jsonl"), "vectors": str(folder)}
        task = {"source": "triples", **paths, "dev": SHARE, "test": SHARE}
        start = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-c", f"from nvf.tasks import build_snapshot; print(build_snapshot({task!r}))"],
            stdout=subprocess.PIPE,
            env={**os.environ, "NVF_MLRUNS": str(folder / "mlruns")},
        )
        resident, held = watch(child)
        kept = resident <= options.bound
        print(f"snapshot made in {time.perf_counter() - start:.0f} s")
        print(f"peak resident {resident:.2f} GiB, of which anonymous at most {held:.2f} GiB")
        print(f"bound {options.bound:g} GiB: {'kept' if kept else 'BROKEN'}", flush=True)
        if options.train:
            assert child.stdout is not None
            print(epochs(Path(child.stdout.read().decode().strip()), options.triples, options.queries))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
