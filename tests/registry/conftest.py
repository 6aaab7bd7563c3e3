"""Small real sweeps: trained, published, journaled, as a driver does, but without Ray."""

from __future__ import annotations

import json
import os
import platform
import zlib
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from nvf import paths, systems, tasks
from nvf.journal import cold as rules
from nvf.journal.events import FILE, Journal, read
from nvf.journal.replay import replay
from nvf.measures.comparison import Comparison
from nvf.params import flatten
from nvf.registry.retriever import Hit
from nvf.registry.search import Search
from nvf.tasks.base import Task
from nvf.training import checkpoint
from nvf.training.floors import measure_floors
from nvf.training.loop import Training
from tests.journal.written import write
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


def sweep(
    name: str, options: dict[str, Any], rates: tuple[float, ...], epochs: int, cold: float, gpu: float = 0
) -> Path:
    folder = paths.sweep(name)
    snapshot = tasks.build_snapshot(options)
    task = tasks.open_snapshot(snapshot).withhold(cold, 0)
    floors = measure_floors(task, "dev", MEASURES)
    with Journal.create(folder) as journal:
        write(
            journal,
            "sweep_started",
            sweep=name,
            nvf="0.1.0",
            spec={
                "name": name,
                "task": options,
                "system": ["linear"],
                "cold": cold,
                "resources": {"cpu": 1, "gpu": gpu},
            },
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
            cold_by=rules.RULE,
            git=None,
            versions={},
            clock={"snapshot": str(snapshot), "host": platform.node(), "pid": os.getpid()},
        )
        write(journal, "floors", split="dev", floors=floors.floors, ceilings=floors.ceilings)
        for number, rate in enumerate(rates):
            train(journal, task, number, {"lr": rate}, epochs)
        write(journal, "sweep_ended", sync=True, reason="trials", clock={})
    return folder


def search(text: str, k: int = 10, model: str | None = None) -> list[Hit]:
    """Open a promoted model and ask it once."""
    return Search(model).ask(text, k)


def train(journal: Journal, task: Task, number: int, chosen: dict[str, Any], epochs: int, name: str = "linear") -> None:
    system = systems.create(name, chosen, task.corpus)
    params = flatten(system.params)
    names = {"chosen": chosen, "distributions": {}, "seed": number, "epochs": epochs}
    write(journal, "trial_started", trial=number, system=name, params=params, **names)
    training = Training(system, task, seed=number, epochs=epochs, measures=MEASURES)
    for epoch in range(epochs + 1):
        record = training.start() if epoch == 0 else training.epoch(epoch)
        at = journal.path.parent / "checkpoints" / f"trial-{number:04d}" / f"epoch-{epoch:04d}"
        published = {
            "folder": str(at.relative_to(journal.path.parent)),
            "digest": checkpoint.save(at, training, record),
        }
        told = {"record": record, "checkpoint": published, "decision": "continue", "attrs": {}}
        write(journal, "record", trial=number, **told)
    write(journal, "trial_ended", trial=number, outcome="complete", error=None, attrs={})


def confirmed(
    folder: Path,
    differences: dict[int, float],
    cold: float | None = None,
    champion: int | None = None,
    seeds: int = 3,
) -> None:
    """Journal a confirmation in which each of these trials lies so far above raw; the later is better on dev.

    With `cold`, the trials lie so far above raw on cold documents. `champion` is the version of `small` that reigned
    then; all trials lie as far above it.
    """
    state, rows = replay(read(folder)), []
    for number, difference in differences.items():
        trial = state.trials[number]
        record = trial.records[-1]
        view = {"nDCG@10": 0.5, "R@5": 0.5}
        views = {"all": difference, "clean": difference, "cold": difference if cold is None else cold}
        lines: dict[str, Any] = {
            name: asdict(Comparison(50, value, value - 0.01, value + 0.01, 0.01, seeds, 0.1))
            for name, value in views.items()
        }
        spread = {"draws": 1, "mean": {"all": view, "cold": view}, "sd": {"all": view, "cold": view}}
        row: dict[str, Any] = {
            "trial": number,
            "system": trial.system,
            "settings": trial.settings,
            "seeds": seeds,
            "dev": {"mean": 0.5 + number / 10},
            "test": dict.fromkeys(views, view),
            "against": {"raw": {**lines["all"], **lines}},
            "against_champion": {**lines["all"], "all": lines["all"], "clean": lines["clean"]},
            "gap": {"search_dev": 0.75, "replicates_dev": 0.625, "test": 0.5},
            "withheld": spread,
            "diagnoses": [],
            "latency_ms_p95": 1.0,
            "champion": {
                "seed": 7,
                "record": replace(record, diagnoses=()),
                "test": {"all": {**view, "nDCG@10": 0.4921875}, "clean": {**view, "nDCG@10": 0.484375}},
                "checkpoint": trial.checkpoints[record.epoch],
            },
        }
        rows.append(row)
    journal, events = Journal.open(folder)
    with journal:
        times = [event.kind for event in events].count("test_opened") + 1
        write(journal, "confirmation_started", confirmation=times, finalists=list(differences), seeds=seeds, clock={})
        write(journal, "test_opened", confirmation=times, times=times, finalists=list(differences), clock={})
        result = {
            "sweep": state.name,
            "measure": "nDCG@10",
            "compared": "nDCG@10",
            "confirmation": times,
            "opened": times,
            "seeds": seeds,
            "cold": 0.2,
            "cold_by": rules.RULE,
            "queries": dict.fromkeys(views, 50),
            "finalists": rows,
            "pairwise": [
                {"trial": one, "other": other, "all": asdict(Comparison(50, 0.02, -0.01, 0.05, 0.3, 3, 0.1))}
                for one, other in combinations(differences, 2)
            ],
            "leaks": [],
            "floors": {"raw": dict.fromkeys(views, {"nDCG@10": 0.375, "R@5": 0.375})},
            "ceilings": {},
            "withheld_floors": {"raw": spread},
        }
        if champion is not None:
            low = {"nDCG@10": 0.4375, "R@5": 0.4375}
            shown = {"model": "small", "version": champion, "name": f"models:/small/{champion}"}
            result["champion"] = {**shown, "figures": {"all": low, "clean": low}}
        write(journal, "confirmed", confirmation=times, result=result)


def raw(folder: Path) -> list[dict[str, Any]]:
    """Return the events of a journal as the file has them."""
    return [json.loads(line.partition(b" ")[2]) for line in (folder / FILE).read_bytes().splitlines()]


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the events of a journal, as an editor could that knows its checksums."""
    found = raw(folder)
    for event in found:
        change(event)
    bodies = [json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() for event in found]
    (folder / FILE).write_bytes(b"".join(b"%08x %s\n" % (zlib.crc32(body), body) for body in bodies))


@pytest.fixture
def run_sweep() -> Callable[..., Path]:
    """Runs a small sweep: `run_sweep(name, options)`."""

    def run(
        name: str = "small",
        options: dict[str, Any] | None = None,
        rates: tuple[float, ...] = (0.001, 0.02),
        epochs: int = 3,
        cold: float = 0.2,
        gpu: float = 0,
    ) -> Path:
        return sweep(name, options or SYNTHETIC, rates, epochs, cold, gpu)

    return run
