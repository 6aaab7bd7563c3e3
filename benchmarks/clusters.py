"""Does training on clustered data recover the clusters? Adjusted Rand index of k-means, before and after.

    python benchmarks/clusters.py [--seeds 3] [--epochs 5] [--cases ...]

Generated corpora around 100 centroids, tight and wide, of even and uneven sizes and spreads, where the cluster of each
document is known from the generator; and MedQuAD ($NVF_DATA), where it is the disease that an answer is about (those
with 12 answers or more). k-means is given the true number of clusters. 1 is the clusters as they are, 0 what chance
gives. Queries of dev have the cluster of their document. Some systems move the documents, others the queries alone; for
`two_stage` the query is the one that its reranker sees. Beside it nDCG@10 on dev, before and after: what was trained
for.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nvf import paths, systems, tasks
from nvf.params import make
from nvf.systems.base import System
from nvf.systems.embedding import Embedding
from nvf.systems.soft_attention import SoftAttention
from nvf.systems.two_stage import TwoStage
from nvf.tasks.base import Task
from nvf.tasks.synthetic import SyntheticParams, clusters
from nvf.training.loop import Training
from nvf.types import FloatArray, IntArray

ANSWERS = 12
"""How many answers a disease of MedQuAD must have to be a cluster."""
MEDQUAD = "MedQuAD"
SYSTEMS: dict[str, dict[str, Any]] = {
    "linear": {"heads": "shared"},
    "jepa": {"batch_size": 64},
    "projection": {"batch_size": 64},
    "soft_attention": {},
    "two_stage": {"stage_one.rank": 72},
}
CASES: dict[str, dict[str, Any]] = {
    f"spread {spread}, {balance}": {"spread": spread, "balance": balance}
    for balance in ("even", "uneven")
    for spread in (0.05, 0.1, 0.2)
}


@dataclass(frozen=True)
class Case:
    """A task with the cluster of each of its documents, -1 for those of none that counts."""

    task: Task
    labels: IntArray

    def of_queries(self) -> IntArray:
        """Return the cluster of each dev query: its first relevant document's, -1 where it has none."""
        qrels = self.task.split("dev").qrels.relevant()
        found = np.full(len(self.task.split("dev")), -1)
        found[qrels.query_rows[::-1]] = self.labels[qrels.rows[::-1]]
        return found


def generated(name: str) -> Case:
    """Return a generated task of `CASES`."""
    shape = {"documents": 1000, "dim": 128, "clusters": 100, "train": 4000, "dev": 2000, "test": 1}
    options = {"corpus": "clustered", "map": "anisotropic", **CASES[name], **shape}
    return Case(tasks.build({"source": "synthetic", **options}), clusters(make(SyntheticParams, options)))


def medquad(folder: Path) -> Case:
    """Return MedQuAD with stored vectors, and the disease of each answer, -1 for the rare ones."""
    options = {"source": "beir", "path": str(folder / "medquad"), "encoder": "minilm"}
    task = tasks.build({**options, "vectors": str(folder / "embeddings" / "minilm-256" / "medquad")})
    lines = (folder / "medquad" / "corpus.jsonl").read_text().splitlines()
    titles = {row["_id"]: row["title"] for row in map(json.loads, lines)}
    counts = Counter(titles.values())
    labels = {title: place for place, title in enumerate(title for title in counts if counts[title] >= ANSWERS)}
    return Case(task, np.array([labels.get(titles[id_], -1) for id_ in task.corpus.ids]))


Seen = tuple[Callable[[Tensor], Tensor], bool]
"""What a system makes of a vector, and whether it does so with documents as well."""


def seen(system: System) -> Seen:
    """Return how the trained system sees queries, and whether it sees documents in the same way."""
    if isinstance(system, Embedding):
        system.network.eval()
        return lambda vectors: system._query(F.normalize(vectors)), True
    trained: Any = system.module()
    if isinstance(system, SoftAttention):
        return trained.eval().transform, False
    if isinstance(system, TwoStage):
        pipeline = trained.eval()
        if not pipeline.reranks:
            return pipeline.first.transform, False
        return lambda vectors: F.normalize(pipeline.first.transform(vectors) + pipeline.best.view(vectors)), False
    weight = system.state()["query.weight"]
    return lambda vectors: F.normalize(vectors + vectors @ weight.T), True


def recovered(vectors: FloatArray, labels: IntArray) -> float:
    """Return the adjusted Rand index of k-means over what is labelled."""
    known = labels >= 0
    found = KMeans(len(set(labels[known])), n_init=3, random_state=0).fit_predict(vectors[known])
    return float(adjusted_rand_score(labels[known], found))


def measured(case: Case, name: str, seed: int, epochs: int) -> dict[str, float]:
    """Train a system, and return the index of documents and queries, and nDCG@10 before and after."""
    budget = {"two_stage": 2 * epochs}.get(name, epochs)  # as many for its reranker
    own = {"stage_one.epochs": epochs} if name == "two_stage" else {}
    system = systems.create(name, {**SYSTEMS[name], **own}, case.task.corpus)
    training = Training(system, case.task, seed=seed, epochs=budget, measures=["nDCG@10"])
    records = [training.start(), *(training.epoch(epoch) for epoch in range(1, training.epochs + 1))]
    look, documents = seen(system)
    with torch.no_grad():
        asked = look(torch.from_numpy(np.array(case.task.split("dev").queries.vectors))).numpy()
        found = {"queries": recovered(asked, case.of_queries())}
        if documents:
            moved = look(torch.from_numpy(np.array(case.task.corpus.vectors))).numpy()
            found["documents"] = recovered(moved, case.labels)
    return {**found, **{when: records[at].figures["all"]["nDCG@10"] for when, at in (("before", 0), ("after", -1))}}


def line(case: Case, names: Sequence[str], seeds: int, epochs: int) -> str:
    """Return a row of the table after its name."""
    documents = recovered(np.array(case.task.corpus.vectors), case.labels)
    queries = recovered(np.array(case.task.split("dev").queries.vectors), case.of_queries())
    cells = [f"{documents:.3f} / {queries:.3f}"]
    for name in names:
        rows = [measured(case, name, seed, epochs) for seed in range(seeds)]
        means = {key: np.mean([row[key] for row in rows]) for key in rows[0]}
        moved = f"{means['documents']:.3f}" if "documents" in means else "as raw"
        cells.append(f"{moved} / {means['queries']:.3f} ({means['before']:.3f} -> {means['after']:.3f})")
    return " | ".join(cells)


def table(
    seeds: int = 3, epochs: int = 5, cases: Sequence[str] = (*CASES, MEDQUAD), names: Sequence[str] = tuple(SYSTEMS)
) -> str:
    """Return, in Markdown, the index of documents / queries, and nDCG@10 before -> after, means over seeds."""
    lines = [f"| corpus | clusters | raw | {' | '.join(names)} |", "| " + " | ".join(["---"] * (3 + len(names))) + " |"]
    for name in cases:
        case = medquad(paths.data()) if name == MEDQUAD else generated(name)
        known = len(set(case.labels[case.labels >= 0]))
        lines.append(f"| {name} | {known} | {line(case, names, seeds, epochs)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--cases", nargs="+", default=[*CASES, MEDQUAD], choices=[*CASES, MEDQUAD])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    options = parser.parse_args()
    print(table(options.seeds, options.epochs, options.cases, options.systems))


if __name__ == "__main__":
    main()
