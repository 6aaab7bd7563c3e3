"""Small real sweeps: trained, published, journaled, as a driver does, but without Ray."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from nvf import paths, systems, tasks
from nvf.journal.events import FORMAT, Journal, read
from nvf.journal.replay import replay
from nvf.params import flatten
from nvf.tasks.base import Task
from nvf.training import checkpoint
from nvf.training.floors import measure_floors
from nvf.training.loop import Training
from tests.tracking.servers import empty_database, mlflow_server, own_tracking

__all__ = ["empty_database", "mlflow_server", "own_tracking"]

MEASURES = ["nDCG@10", "R@5"]
SYNTHETIC = {"source": "synthetic", "documents": 200, "dim": 16, "map": "rotation", "train": 500, "dev": 50, "test": 50}
TOPICS = ("cats", "rockets", "bread", "rivers", "violins", "tax law")
ASPECTS = ("history", "care", "cost", "makers", "danger")


@pytest.fixture(autouse=True)
def isolated(own_tracking: None) -> None:
    """No test reaches the user's own tracking server."""


@pytest.fixture
def lexicon(tmp_path: Path) -> dict[str, Any]:
    """A task in words: 30 short documents and a question about each, over the real encoder."""
    folder = tmp_path / "lexicon"
    (folder / "qrels").mkdir(parents=True)
    pairs = [(topic, aspect) for topic in TOPICS for aspect in ASPECTS]
    for name, text in (("corpus", "A text on the {1} of {0}."), ("queries", "tell me about the {1} of {0}")):
        rows = [{"_id": f"{name[0]}{row}", "text": text.format(*pair)} for row, pair in enumerate(pairs)]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for third, split in enumerate(("train", "dev", "test")):
        rows = "".join(f"q{row}\tc{row}\t1\n" for row in range(len(pairs)) if row % 3 == third)
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}")
    return {"source": "beir", "path": str(folder), "encoder": "minilm"}


def sweep(name: str, options: dict[str, Any], rates: tuple[float, ...], epochs: int, cold: float) -> Path:
    folder = paths.sweep(name)
    snapshot = tasks.build_snapshot(options)
    task = tasks.open_snapshot(snapshot).withhold(cold, 0)
    floors = measure_floors(task, "dev", MEASURES)
    with Journal.create(folder) as journal:
        journal.append(
            "sweep_started",
            format=FORMAT,
            sweep=name,
            nvf="0.1.0",
            spec={"name": name, "task": options, "system": ["linear"], "cold": cold},
            spec_text=f"name: {name}\n",
            task={
                "name": task.name,
                "fingerprint": task.fingerprint,
                "source": dict(task.source),
                "encoder": task.encoder,
                "documents": len(task.corpus),
                "queries": {"dev": floors.queries},
                "leaks": [asdict(leak) for leak in task.leaks],
                "notes": list(task.notes),
            },
            measures=MEASURES,
            objectives=["nDCG@10"],
            seed=0,
            git=None,
            versions={},
            clock={"snapshot": str(snapshot)},
        )
        journal.append("floors", split="dev", floors=floors.floors, ceilings=floors.ceilings)
        for number, rate in enumerate(rates):
            train(journal, task, number, rate, epochs)
        journal.append("sweep_ended", sync=True, reason="trials", clock={})
    return folder


def train(journal: Journal, task: Task, number: int, rate: float, epochs: int) -> None:
    system = systems.create("linear", {"lr": rate}, task.corpus)
    params = flatten(system.params)
    names = {"chosen": {"lr": rate}, "distributions": {}, "seed": number, "epochs": epochs}
    journal.append("trial_started", trial=number, system="linear", params=params, **names)
    training = Training(system, task, seed=number, epochs=epochs, measures=MEASURES)
    for epoch in range(epochs + 1):
        record = training.start() if epoch == 0 else training.epoch(epoch)
        at = journal.path.parent / "checkpoints" / f"trial-{number:04d}" / f"epoch-{epoch:04d}"
        published = {"folder": str(at), "digest": checkpoint.save(at, training, record)}
        told = {"record": record.to_json(), "checkpoint": published, "decision": "continue", "attrs": {}}
        journal.append("record", trial=number, **told)
    journal.append("trial_ended", trial=number, outcome="complete", error=None, attrs={})


def confirmed(folder: Path, differences: dict[int, float]) -> None:
    """Journal a confirmation in which each of these trials lies so far above raw; the later is better on dev."""
    state, rows = replay(read(folder)), []
    for number, difference in differences.items():
        trial = state.trials[number]
        record = trial.records[-1]
        line = {"queries": 50, "difference": difference, "low": difference - 0.01, "high": difference + 0.01, "p": 0.01}
        view = {"nDCG@10": 0.5, "R@5": 0.5}
        row: dict[str, Any] = {
            "trial": number,
            "system": trial.system,
            "dev": {"mean": 0.5 + number / 10},
            "test": {"all": view, "clean": view, "cold": view},
            "against": {"raw": {**line, "all": line, "clean": line, "cold": line}},
            "latency_ms_p95": 1.0,
            "champion": {"record": {**record, "diagnoses": []}, "checkpoint": trial.checkpoints[record["epoch"]]},
        }
        rows.append(row)
    result = {"compared": "nDCG@10", "opened": 1, "finalists": rows, "leaks": [], "floors": {"raw": {"all": view}}}
    journal, _ = Journal.open(folder)
    with journal:
        journal.append("confirmation_started", confirmation=1, finalists=list(differences), seeds=1, clock={})
        journal.append("confirmed", confirmation=1, result=result)


@pytest.fixture
def run_sweep() -> Callable[..., Path]:
    """Runs a small sweep: `run_sweep(name, options)`."""

    def run(
        name: str = "small",
        options: dict[str, Any] | None = None,
        rates: tuple[float, ...] = (0.001, 0.02),
        epochs: int = 3,
        cold: float = 0.2,
    ) -> Path:
        return sweep(name, options or SYNTHETIC, rates, epochs, cold)

    return run
