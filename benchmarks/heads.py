"""The heads of the research notes (004) at named settings, over batch sizes, training sizes and seeds, on dev.

    python benchmarks/heads.py nfcorpus                      # every point of POINTS at 16 and 128 queries a batch
    python benchmarks/heads.py medquad --points jepa projection linear --shares 0.1 0.3 1

trains each point with each batch size, share of the training queries and seed for the same number of steps, judges it
after every epoch, and adds what it found to `mlruns/benchmarks/heads.jsonl`, from which `results.py` makes its tables.
What is there already is not trained again, so that an interrupted command goes on. Test is not touched.

`medquad-mpnet` needs `NVF_MPNET`, a folder with all-mpnet-base-v2. It is a part of MedQuAD,
2,500 training questions with answers cut at 128 tokens, for an encode of a quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nvf import paths, systems, tasks
from nvf.tasks.base import Task
from nvf.training.loop import Training

MEASURE = "nDCG@10"
COLD = 0.2
PART = {"train": 2500, "dev": 300, "test": 300}
"""How many questions of each split the part of MedQuAD has."""
MIX: dict[str, Any] = {"lambda_contrastive": 1.0, "temperature": 0.05}
REMEDY: dict[str, Any] = {"lambda_predictive": 1.2, "lambda_isotropy": 1.5, "ema": 0.999}
POINTS: dict[str, tuple[str, dict[str, Any]]] = {
    "projection": ("projection", {}),
    "jepa": ("jepa", {}),
    "jepa, isotropy 4": ("jepa", {"lambda_isotropy": 4.0}),
    "jepa, SIGReg": ("jepa", {"isotropy": "sigreg"}),
    "jepa, no isotropy": ("jepa", {"lambda_isotropy": 0.0}),
    "jepa, no prediction": ("jepa", {"lambda_predictive": 0.0}),
    "jepa, n01": ("jepa", {"formulation": "n01"}),
    "jepa, 256 wide": ("jepa", {"out": 256}),
    "jepa, 512 wide": ("jepa", {"out": 512}),
    "jepa and InfoNCE": ("jepa", MIX),
    "jepa and a little InfoNCE": ("jepa", {"lambda_isotropy": 4.0, "lambda_contrastive": 0.2, "temperature": 0.2}),
    "InfoNCE alone": ("jepa", {**MIX, "lambda_isotropy": 0.0, "lambda_predictive": 0.0}),
    "respred": ("respred", {}),
    "respred, no penalty": ("respred", {"lambda_residual": 0.0}),
    "asymmetric": ("asymmetric", {}),
    "asymmetric, predictor": ("asymmetric", {"lambda_predictive": 1.2}),
    "asymmetric, isotropy": ("asymmetric", {"lambda_isotropy": 1.5}),
    "asymmetric, whole remedy": ("asymmetric", REMEDY),
    "asymmetric, remedy, no contrast": ("asymmetric", {**REMEDY, "lambda_contrastive": 0.0}),
    "linear, query": ("linear", {"heads": "query"}),
    "linear, shared": ("linear", {"heads": "shared"}),
}


def results() -> Path:
    """Return the file of all runs, one JSON object per line."""
    return paths.mlruns() / "benchmarks" / "heads.jsonl"


def open_task(name: str) -> Task:
    """Return the task called `nfcorpus`, `medquad`, `nfcorpus-mpnet` or `medquad-mpnet`, nothing withheld."""
    corpus, _, encoder = name.partition("-")
    folder = paths.data() / ("beir/nfcorpus" if corpus == "nfcorpus" else corpus)
    options: dict[str, Any] = {"source": "beir", "path": str(folder), "encoder": "minilm"}
    if encoder:
        options |= {"encoder": os.environ.get("NVF_MPNET", "all-mpnet-base-v2"), "max_length": 384}
    if name == "medquad-mpnet":
        return tasks.build({**options, "path": str(part(folder)), "max_length": 128})
    vectors = paths.data() / "embeddings" / ("mpnet-384" if encoder else "minilm-256") / corpus
    return tasks.build({**options, "vectors": str(vectors)})


def part(folder: Path) -> Path:
    """Write the questions of PART, drawn by the hash of their ids, with their answers; return the new BEIR folder."""
    to = paths.cache() / f"{folder.name}-part"
    (to / "qrels").mkdir(parents=True, exist_ok=True)
    kept: dict[str, set[str]] = {"queries": set(), "corpus": set()}
    for split, limit in PART.items():
        head, *lines = (folder / "qrels" / f"{split}.tsv").read_text().splitlines()
        rows = [line.split("\t") for line in lines]
        by_hash = sorted({row[0] for row in rows}, key=lambda id_: hashlib.sha256(id_.encode()).hexdigest())
        drawn = set(by_hash[:limit])
        rows = [row for row in rows if row[0] in drawn]
        (to / "qrels" / f"{split}.tsv").write_text("\n".join([head, *("\t".join(row) for row in rows)]) + "\n")
        kept["queries"] |= drawn
        kept["corpus"] |= {row[1] for row in rows}
    for name, ids in kept.items():
        lines = (folder / f"{name}.jsonl").read_text().splitlines()
        (to / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines if json.loads(line)["_id"] in ids))
    return to


def done() -> dict[str, dict[str, Any]]:
    """Return the runs there are, by the JSON text of what was run."""
    path = results()
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {json.dumps(row["run"], sort_keys=True): row for row in rows}


def trained(task: Task, run: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the record of each epoch of a run, the untrained one first."""
    name, params = POINTS[run["point"]]
    made = systems.create(name, {**params, "batch_size": run["batch_size"], "train_share": run["share"]}, task.corpus)
    per_epoch = math.ceil(run["share"] * len(task.train) / run["batch_size"])
    training = Training(made, task, seed=run["seed"], epochs=math.ceil(run["steps"] / per_epoch), measures=[MEASURE])
    for epoch in range(training.epochs + 1):
        record = training.start() if epoch == 0 else training.epoch(epoch)
        yield {
            "epoch": epoch,
            "steps": epoch * per_epoch,
            "figures": {view: by[MEASURE] for view, by in record.figures.items()},
            "loss": float(np.sum([*record.losses.values()])) if epoch else None,
            "held_out": float(np.sum([*record.held_out.values()])),
            "statistics": dict(record.statistics),
            "diagnoses": [each.name for each in record.diagnoses],
        }


def main() -> None:
    """Parse, train, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("--points", nargs="+", default=[*POINTS], choices=[*POINTS])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[16, 128])
    parser.add_argument("--shares", nargs="+", type=float, default=[1.0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()
    task, known = open_task(options.task), done()
    results().parent.mkdir(parents=True, exist_ok=True)
    asked = itertools.product(range(options.seeds), options.batch_sizes, options.shares, options.points)
    for seed, batch_size, share, point in asked:
        run = {"task": options.task, "point": point, "batch_size": batch_size, "share": share, "seed": seed}
        run["steps"] = options.steps
        if json.dumps(run, sort_keys=True) not in known:
            # Trained on all judgements where the answers of dev are new anyway.
            withheld = task.withhold(COLD, seed) if options.task.startswith("nfcorpus") else task
            row: dict[str, Any] = {"run": run, "task": task.fingerprint, "records": [*trained(withheld, run)]}
            with results().open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(point, batch_size, share, seed, row["records"][-1]["figures"], flush=True)


if __name__ == "__main__":
    main()
