"""The whole life of every system: trained in a real sweep, published, restored to the same figures, promoted, asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvf import paths, tasks
from nvf.journal import events, replay
from nvf.measures.evaluate import depth, evaluate
from nvf.registry.promote import promote
from nvf.registry.retriever import Retriever
from nvf.registry.versions import fetch, resolve
from nvf.systems import SYSTEMS
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Task
from nvf.tracking import server
from nvf.training import checkpoint

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

SMALL = {
    "fused.dense": "linear",
    "lvm.backbone.kind": "gru",
    "lvm.backbone.d_model": 16,
    "lvm.backbone.layers": 1,
    "lvm_rerank.lvm.backbone.kind": "gru",
    "lvm_rerank.lvm.backbone.d_model": 16,
    "lvm_rerank.lvm.backbone.layers": 1,
    "memory.learning.epochs": 2,
    "two_stage.stage_one.epochs": 1,
}
"""What keeps a network small, and lets two epochs touch all of a system."""


def text_task(folder: Path) -> dict[str, Any]:
    """Write generated vectors with words beside them in BEIR's layout; returns the options of the task."""
    made = tasks.build({"source": "synthetic", "documents": 60, "dim": 16, "train": 300, "dev": 40, "test": 10})
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": id_, "text": f"word{row % 20} word{row % 7}"} for row, id_ in enumerate(made.corpus.ids)]
    queries, vectors = [], []
    for name, split in made.splits.items():
        pairs = list(zip(split.queries.ids, split.qrels.rows, strict=True))
        queries += [{"_id": id_, "text": f"word{row % 20}"} for id_, row in pairs]
        vectors.append(split.queries.vectors)
        judged = "".join(f"{id_}\t{made.corpus.ids[row]}\t1\n" for id_, row in pairs)
        (folder / "qrels" / f"{name}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    tables = (("corpus", documents, made.corpus.vectors), ("queries", queries, np.concatenate(vectors)))
    for name, rows, table in tables:
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        np.save(folder / f"{name}.npy", table)
        (folder / f"{name}_ids.json").write_text(json.dumps([row["_id"] for row in rows]))
    return {"source": "beir", "path": str(folder), "vectors": str(folder)}


@dataclass(frozen=True)
class Lives:
    """Sweeps in which every system that applies to their task has one trial; the number of each system's."""

    tasks: dict[str, Task]
    trials: dict[str, tuple[str, int]]


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    folder = tmp_path_factory.mktemp("lives")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NVF_MLRUNS", str(folder / "mlruns"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        shape = {"documents": 60, "dim": 16, "train": 300, "dev": 40, "test": 10}
        options = {
            "texts": text_task(folder / "texts"),
            "windows": {"source": "walks", "context": 3, **shape},
        }
        built = {name: tasks.build(each) for name, each in options.items()}
        places: dict[str, list[str]] = {name: [] for name in built}
        for system, kind in SYSTEMS.items():
            fitting = [name for name, task in built.items() if kind.applies_to(task) is None]
            places[fitting[0]].append(system)
        trials = {}
        for name, there in places.items():
            sweep(folder, name, options[name], there)
            trials |= {system: (name, number) for number, system in enumerate(there)}
        yield Lives({name: task.withhold(0.2, 0) for name, task in built.items()}, trials)


def sweep(folder: Path, name: str, task: dict[str, Any], there: list[str]) -> None:
    """Run `nvf sweep` with one trial for each of the systems."""
    # what is one system's alone is written with its name before it only where several are searched
    fixed = {
        (key if len(there) > 1 else key.partition(".")[2]): value
        for key, value in SMALL.items()
        if key.partition(".")[0] in there
    }
    spec = {
        "name": name,
        "task": task,
        "system": {"choice": there},
        "fixed": fixed,
        "start": [{"system": system} for system in there],
        "search": {"sampler": "random", "trials": len(there)},
        "budget": {"epochs": 2},
        "resources": {"cpu": 1},
        "checkpoints": {"keep": len(there)},
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(spec))
    command = [str(Path(sys.executable).with_name("nvf")), "sweep", str(path)]
    done = subprocess.run(command, cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_lives(name: str, lives: Lives) -> None:
    place, number = lives.trials[name]
    task, folder = lives.tasks[place], paths.sweep(place)
    state = replay.replay(events.read(folder))
    trial = state.trials[number]
    assert (trial.system, trial.outcome) == (name, "complete"), trial.error
    assert trial.epoch == (2 if SYSTEMS[name].learns() else 0)

    record = trial.best(state.objectives[0])
    assert record is not None
    published = trial.checkpoints[record.epoch]
    restored = checkpoint.restore_system(folder / published.folder, task.corpus, digest=published.digest)
    dev, measures = task.split("dev"), state.started.measures
    assert evaluate(rank_split(restored, dev, depth(measures, dev)), dev, task.cold, measures).figures == record.figures

    version = promote(place, trial=number, model=name, alias="candidate").version
    client = server.client()
    served = Retriever.open(fetch(client, resolve(client, f"models:/{name}/{version}")) / "artifacts")
    assert served.system.name == name
    asked = dev.queries.select(np.arange(8))
    assert served.rank(asked, 5).rows.tolist() == restored.rank(asked, 5).rows.tolist()
