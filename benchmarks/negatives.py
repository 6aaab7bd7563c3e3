"""Which negatives does a head need? `linear` on NFCorpus and MedQuAD, on dev; test is not touched.

    python benchmarks/negatives.py [--tasks nfcorpus medquad] [--seeds 3] [--epochs 5]

trains each of NEGATIVES from each seed, which also draws the fifth of NFCorpus's judged documents that is withheld
(MedQuAD's dev is new to training anyway), and prints mean and standard deviation of nDCG@10 at the best epoch. Neither
set has judgements of grade 0, so that `judged` has no row.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from heads import COLD, MEASURE, open_task

from nvf.systems import create
from nvf.training.loop import Training

HEADS = {"heads": "query", "lr": 1e-3}
NEGATIVES: dict[str, dict[str, Any]] = {
    "batch": {"negatives": "batch"},
    "mined by raw": {"negatives": "mined"},
    "mined by raw, no margin": {"negatives": "mined", "mined.margin": None},
    "mined by itself": {"negatives": "mined", "mined.model": "current"},
    "corpus": {},
    "corpus, 1,024 drawn": {"sample": 1024},
}


def figures(task: str, seed: int, epochs: int, params: dict[str, Any]) -> list[float]:
    """Return nDCG@10 of the best epoch over all and cold queries."""
    opened = open_task(task)
    part = opened.withhold(COLD, seed) if task == "nfcorpus" else opened
    training = Training(
        create("linear", {**HEADS, **params}, part.corpus), part, seed=seed, epochs=epochs, measures=[MEASURE]
    )
    training.start()
    records = [training.epoch(number).figures for number in range(1, training.epochs + 1)]
    best = max(records, key=lambda each: each["all"][MEASURE] or 0.0)
    return [best[view][MEASURE] or float("nan") for view in ("all", "cold") if view in best]


def table(tasks: Sequence[str] = ("nfcorpus", "medquad"), seeds: int = 3, epochs: int = 5) -> str:
    """Return the Markdown table."""
    lines = ["| linear on dev, nDCG@10 all / cold | " + " | ".join(tasks) + " |", "| --- " * (1 + len(tasks)) + "|"]
    for name, params in NEGATIVES.items():
        cells = []
        for task in tasks:
            found = np.array([figures(task, seed, epochs, params) for seed in range(seeds)])
            cells.append(" / ".join(f"{view.mean():.3f} ± {view.std(ddof=1):.3f}" for view in found.T))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def main() -> None:
    """Parse, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=["nfcorpus", "medquad"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    print(table(options.tasks, options.seeds, options.epochs))


if __name__ == "__main__":
    main()
