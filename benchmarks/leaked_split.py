"""How much does a leaked split pretend, and does the leak report name it?

    python benchmarks/leaked_split.py [--epochs 2]

Next sentences of SciFact abstracts ($NVF_DATA), on dev (test is not ranked). Every split is judged on the same half of
dev's windows; what differs is what was learned from besides the training documents:

- clean: nothing, as nvf splits;
- windows: the other half of dev's windows, which is what a split by window instead of by document does;
- documents: the windows, answers and all, of 91.5 % of dev's documents, the share that the research notes (003) found.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from nvf import paths, systems, tasks, text
from nvf.overlap import sentences
from nvf.tasks.assemble import assemble
from nvf.tasks.base import Judged, Qrels, Split, Task
from nvf.training.loop import Training
from nvf.types import BoolArray, Queries

SHARE = 0.915
MEASURE = "R@5"
SYSTEMS: dict[str, dict[str, Any]] = {
    "two_tower": {"recency": 0.7, "width": 512, "lr": 3e-4},
    "lvm": {
        "lambda_infonce": 0.85, "lambda_ar": 0.15, "projection": "none", "batch_size": 512,
        "backbone.kind": "gru", "backbone.d_model": 256, "backbone.layers": 1,
    },
}  # fmt: skip


def picked(split: Split, keep: BoolArray) -> Judged:
    """Return the windows of `split` for which `keep` (Q,) is true."""
    chosen = split.select(np.flatnonzero(keep))
    return chosen.queries, chosen.qrels


def joined(one: Judged, other: Judged) -> Judged:
    """Return the windows of both, each with its one answer."""
    (first, known), (second, more) = one, other
    queries = Queries([*first.ids, *second.ids], np.concatenate([first.vectors, second.vectors]))
    rows = np.concatenate([known.rows, more.rows])
    places = np.arange(len(rows))
    return queries, Qrels.from_triples(len(rows), np.stack([places, rows, np.ones_like(rows)], axis=1))


def splits(task: Task) -> dict[str, Task]:
    """Return the task with each training set."""
    dev, rng = task.split("dev"), np.random.default_rng(0)
    judged = rng.random(len(dev)) < 0.5
    documents = np.array([identity.removeprefix("before ").rpartition(":")[0] for identity in dev.queries.ids])
    names = np.unique(documents)
    told = np.isin(documents, rng.choice(names, round(SHARE * len(names)), replace=False))
    clean = (task.train.queries, task.train.qrels)
    training = {
        "clean": clean,
        "windows": joined(clean, picked(dev, ~judged)),
        "documents": joined(clean, picked(dev, told)),
    }
    test = task.split("test")
    rest = {"dev": picked(dev, judged), "test": (test.queries, test.qrels)}
    return {
        name: assemble(name=name, source=task.source, corpus=task.corpus, splits={"train": train, **rest})
        for name, train in training.items()
    }


def best(task: Task, system: str, epochs: int) -> float:
    """Return the best figure of any epoch."""
    made = systems.create(system, SYSTEMS[system], task.corpus)
    training = Training(made, task, seed=0, epochs=epochs, measures=[MEASURE])
    records = [training.start(), *(training.epoch(number) for number in range(1, training.epochs + 1))]
    return max(record.figures["all"][MEASURE] for record in records)


def table(epochs: int = 2) -> str:
    """Return the best figures after each training, and what the leak report says of it."""
    path = str(paths.data() / "embeddings" / "minilm-256" / "scifact_sentences")
    cases = splits(tasks.build({"source": "sequences", "path": path}))
    rows: list[Sequence[Any]] = []
    for name in ("raw", "context_mean"):
        made = systems.create(name, {}, cases["clean"].corpus)
        record = Training(made, cases["clean"], seed=0, epochs=0, measures=[MEASURE]).start()
        rows.append((f"floor {name}", "", *[f"{record.figures['all'][MEASURE]:.3f}"] * len(SYSTEMS), ""))
    for name, task in cases.items():
        figures = [f"{best(task, system, epochs):.3f}" for system in SYSTEMS]
        told = [leak for leak in task.leaks if (leak.split, leak.other) == ("dev", "train")]
        rows.append((name, len(task.train), *figures, " ".join(sentences(told)) or "no leak named"))
    return text.table(("training", "windows", *(f"{name}, {MEASURE}" for name in SYSTEMS), "leak report"), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=2)
    print(table(parser.parse_args().epochs))
