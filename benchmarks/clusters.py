"""Does training on clustered data recover the clusters? Adjusted Rand index of k-means, before and after.

    python benchmarks/clusters.py [--seeds 3] [--epochs 5]

Two corpora: generated ones around 100 centroids, where the cluster of each document is known from the generator, and
MedQuAD ($NVF_DATA), where it is the disease that an answer is about (those with 12 answers or more). k-means is given
the true number of clusters. 1 is the clusters as they are, 0 what chance gives. Beside it nDCG@10 on dev, before and
after: what was trained for.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from torch.nn import functional as F  # noqa: N812

from nvf import paths, systems, tasks
from nvf.systems.base import System
from nvf.systems.embedding import Embedding
from nvf.tasks.base import Task
from nvf.training.loop import Training
from nvf.types import FloatArray, IntArray

ANSWERS = 12
"""How many answers a disease of MedQuAD must have to be a cluster."""
SYSTEMS: dict[str, dict[str, Any]] = {
    "linear": {"heads": "shared"},
    "jepa": {"batch_size": 64},
    "projection": {"batch_size": 64},
}


def generated(spread: float) -> tuple[Task, IntArray]:
    """Return a generated task with equal clusters, and the cluster of each document."""
    shape = {"documents": 1000, "dim": 128, "clusters": 100, "train": 4000, "dev": 500, "test": 1}
    task = tasks.build({"source": "synthetic", "corpus": "clustered", "spread": spread, "map": "anisotropic", **shape})
    return task, np.arange(1000) * 100 // 1000


def medquad(folder: Path) -> tuple[Task, IntArray]:
    """Return MedQuAD with stored vectors, and the disease of each answer, -1 for the rare ones."""
    options = {"source": "beir", "path": str(folder / "medquad"), "encoder": "minilm"}
    task = tasks.build({**options, "vectors": str(folder / "embeddings" / "minilm-256" / "medquad")})
    lines = (folder / "medquad" / "corpus.jsonl").read_text().splitlines()
    titles = {row["_id"]: row["title"] for row in map(json.loads, lines)}
    counts = Counter(titles.values())
    labels = {title: place for place, title in enumerate(title for title in counts if counts[title] >= ANSWERS)}
    return task, np.array([labels.get(titles[id_], -1) for id_ in task.corpus.ids])


@torch.no_grad()
def embedded(system: System, vectors: FloatArray) -> FloatArray:
    """Return the documents (N, D') as the trained system sees them."""
    if isinstance(system, Embedding):
        return system._corpus().numpy()
    documents = torch.from_numpy(np.array(vectors))
    return F.normalize(documents + documents @ system.state()["query.weight"].T).numpy()


def recovered(vectors: FloatArray, labels: IntArray) -> float:
    """Return the adjusted Rand index of k-means over the labelled documents."""
    known = labels >= 0
    clusters = KMeans(len(set(labels[known])), n_init=3, random_state=0).fit_predict(vectors[known])
    return float(adjusted_rand_score(labels[known], clusters))


def main() -> None:
    """Parse, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    cases = {f"generated, spread {spread}": generated(spread) for spread in (0.05, 0.1, 0.2)}
    if (paths.data() / "medquad").is_dir():
        cases["MedQuAD"] = medquad(paths.data())
    print(f"{'':26}{'clusters':>9}{'raw':>8}" + "".join(f"{name:>24}" for name in SYSTEMS))
    for name, (task, labels) in cases.items():
        cells = []
        for system, params in SYSTEMS.items():
            found, quality = [], []
            for seed in range(options.seeds):
                made = systems.create(system, params, task.corpus)
                training = Training(made, task, seed=seed, epochs=options.epochs, measures=["nDCG@10"])
                before = training.start().figures["all"]["nDCG@10"]
                last = [training.epoch(epoch) for epoch in range(1, training.epochs + 1)][-1]
                quality.append((before, last.figures["all"]["nDCG@10"]))
                found.append(recovered(embedded(made, task.corpus.vectors), labels))
            start, end = np.mean(quality, axis=0)
            cells.append(f"{np.mean(found):.3f} ({start:.3f} -> {end:.3f})")
        raw = recovered(np.array(task.corpus.vectors), labels)
        print(f"{name:26}{len(set(labels[labels >= 0])):>9}{raw:>8.3f}" + "".join(f"{cell:>24}" for cell in cells))


if __name__ == "__main__":
    main()
