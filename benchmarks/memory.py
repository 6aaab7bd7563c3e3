"""How much memory a task costs each of ten processes that have it open: one copy, memory-mapped, is the promise.

    python benchmarks/memory.py [--documents 500000] [--processes 10] [--bound 60]

Writes a corpus of random unit vectors (384 float32 each: 768 MB for half a million) as a task snapshot into a temporary
NVF_MLRUNS, twice its size while it is made. Every process then opens it and searches the whole of it, all at the same
time. USS is what a process alone would give back; pages that several have mapped are not in it. Exit status 1 where a
process' USS grows by more than the bound (MB).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

DIM = 384
CHUNK = 10_000
QUERIES = 8


def write_task(root: Path, documents: int) -> Path:
    """Write a task of random unit vectors below `root` and return its snapshot's folder."""
    import numpy as np

    from nvf.tasks.base import Corpus, Qrels, Split, Task
    from nvf.tasks.snapshot import save
    from nvf.types import Queries

    random = np.random.default_rng(0)
    vectors = np.lib.format.open_memmap(root / "vectors.npy", mode="w+", dtype=np.float32, shape=(documents, DIM))
    for start in range(0, documents, CHUNK):
        part = random.standard_normal((min(CHUNK, documents - start), DIM), dtype=np.float32)
        vectors[start : start + CHUNK] = part / np.linalg.norm(part, axis=1, keepdims=True)
    vectors.flush()
    ids = [f"d{row:07d}" for row in range(documents)]
    corpus = Corpus(ids, vectors, np.arange(documents, dtype=np.int32), unit=True)
    queries = Queries([f"q{row}" for row in range(QUERIES)], np.array(vectors[:QUERIES]))
    qrels = Qrels.from_triples(QUERIES, [(row, row, 1) for row in range(QUERIES)])
    split = Split("dev", queries, qrels, np.ones(QUERIES, dtype=bool), np.full(QUERIES, -1))
    save(Task("random", {"source": "random"}, corpus, {"dev": split}, threshold=0.85), root / "task")
    (root / "vectors.npy").unlink()
    return root / "task"


def measure(folder: Path, together: Barrier, results: multiprocessing.Queue[tuple[float, float]]) -> None:
    """Put the growth of this process' USS in MB: after opening the task, and after searching it."""
    import psutil
    import torch

    from nvf.indexes.exact import search
    from nvf.tasks.snapshot import open_snapshot
    from nvf.types import as_tensor

    torch.set_num_threads(1)
    search(torch.randn(QUERIES, DIM), torch.randn(100, DIM), 10, torch.arange(100))  # the libraries' own buffers
    process = psutil.Process()
    together.wait()  # libraries that all have loaded are shared by now
    before = process.memory_full_info().uss
    together.wait()
    task = open_snapshot(folder)
    together.wait()
    opened = process.memory_full_info().uss
    together.wait()
    corpus, queries = task.corpus, as_tensor(task.split("dev").queries.vectors)
    ranking = search(queries, as_tensor(corpus.vectors), 10, torch.from_numpy(corpus.order))
    assert corpus.ids[int(ranking.rows[-1, 0])] == f"d{QUERIES - 1:07d}", "each query is the vector of a document"
    together.wait()
    searched = process.memory_full_info().uss
    together.wait()
    results.put(((opened - before) / 1e6, (searched - before) / 1e6))


def main() -> int:
    """Parse, write, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=500_000)
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--bound", type=float, default=60.0, help="MB that a process may grow by")
    options = parser.parse_args()

    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NVF_MLRUNS"] = folder
        start = time.perf_counter()
        task = write_task(Path(folder), options.documents)
        size = sum(path.stat().st_size for path in task.rglob("*.*")) / 1e6
        print(f"{options.documents:,} x {DIM} float32: {size:,.0f} MB, written in {time.perf_counter() - start:.0f} s")
        together, results = spawn.Barrier(options.processes), spawn.Queue()
        start = time.perf_counter()
        workers = [spawn.Process(target=measure, args=(task, together, results)) for _ in range(options.processes)]
        for worker in workers:
            worker.start()
        growths = [results.get(timeout=600) for _ in workers]
        for worker in workers:
            worker.join()
        print(f"{options.processes} processes at once, {time.perf_counter() - start:.0f} s")

    print(f"\nUSS growth, MB{'opened':>10}{'searched':>10}")
    for place, (opened, searched) in enumerate(sorted(growths), start=1):
        print(f"process {place:<6}{opened:>10.1f}{searched:>10.1f}")
    worst = max(max(growth) for growth in growths)
    print(f"{'maximum':14}{max(o for o, _ in growths):>10.1f}{max(s for _, s in growths):>10.1f}")
    print(f"bound {options.bound:.0f} MB: {'kept' if worst <= options.bound else 'BROKEN'}")
    return 0 if worst <= options.bound else 1


if __name__ == "__main__":
    sys.exit(main())
