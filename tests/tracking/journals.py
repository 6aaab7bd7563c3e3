"""A journal as a small sweep writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nvf.journal.events import Journal
from nvf.journal.kinds import Event, RecordTaken
from nvf.tracking.names import figures
from tests.journal.written import write

NAME = "lexical-gap"
SETTINGS = {"temperature": 0.05, "batch_size": 256, "reranker.hidden": 128, "frozen": False}


def figures_of(value: float) -> dict[str, Any]:
    return {
        "all": {"nDCG@10": value, "R@5": value + 0.1},
        "clean": {"nDCG@10": value - 0.01, "R@5": value + 0.05},
        "cold": {"nDCG@10": value / 2, "R@5": value / 2 + 0.1},
    }


def start(journal: Journal, name: str = NAME, objectives: tuple[str, ...] = ("nDCG@10",), **spec: Any) -> None:
    write(
        journal,
        "sweep_started",
        sync=True,
        sweep=name,
        nvf="0.1.0",
        spec={
            "name": name,
            "task": {"source": "synthetic"},
            "budget": {"epochs": 3},
            "search": {"trials": 4},
            **spec,
        },
        spec_text=f"name: {name}\nsystem: linear\n",
        task={
            "name": "synthetic/uniform",
            "fingerprint": "f00d",
            "encoder": None,
            "documents": 1000,
            "queries": {"train": {"all": 800}, "dev": {"all": 100, "clean": 90, "cold": 40}},
            "leaks": [
                {"split": "dev", "other": "train", "queries": 100, "same_id": 0, "same_text": 0, "near": 3}
                | {"judged": 90, "shared": 12, "queries_shared": 12, "threshold": 0.85}
            ],
            "notes": ["shared documents are dropped from the rule"],
            "source": {"source": "synthetic"},
        },
        measures=["nDCG@10", "R@5"],
        objectives=list(objectives),
        seed=7,
        git={"commit": "c0ffee", "dirty": False},
        versions={},
        clock={"host": "here", "pid": 1, "snapshot": "/nowhere"},
    )
    write(journal, "floors", split="dev", floors={"raw": figures_of(0.45)}, ceilings={"oracle": figures_of(0.9)})


def start_trial(journal: Journal, trial: int, system: str = "linear", **params: Any) -> None:
    chosen = {"temperature": 0.05 * (trial + 1), "rank": 2**trial}
    write(
        journal,
        "trial_started",
        sync=True,
        trial=trial,
        system=system,
        params={**SETTINGS, **chosen, **params},
        chosen=chosen,
        distributions={},
        seed=7,
        epochs=3,
    )


def record(journal: Journal, trial: int, epoch: int, value: float | None, decision: str = "continue") -> None:
    write(
        journal,
        "record",
        trial=trial,
        record={
            "epoch": epoch,
            "losses": {"info_nce": 1.0 / (epoch + 1), "isotropy@slice": float("nan")},
            "figures": {} if value is None else figures_of(value),
            "diagnoses": [{"name": "harmful_reranker", "figure": 0.1, "threshold": 0.2, "text": "It harms."}],
            "clock": {"seconds": 1.5, "latency_ms_p50": 0.4, "latency_ms_p95": 0.9},
        },
        checkpoint={"folder": f"/nowhere/{trial}/{epoch}", "digest": "d"},
        decision=decision,
        attrs={},
    )


def end_trial(journal: Journal, trial: int, outcome: str, error: str | None = None) -> None:
    write(journal, "trial_ended", sync=True, trial=trial, outcome=outcome, error=error, attrs={})


def sweep(folder: Path, trials: int = 4, epochs: int = 3, name: str = NAME) -> None:
    """Write a sweep that ended: of every four trials the second was pruned, the third failed."""
    with Journal.create(folder) as journal:
        start(journal, name)
        for trial in range(trials):
            start_trial(journal, trial)
            outcome = ("complete", "pruned", "failed", "complete")[trial % 4]
            for epoch in range(epochs + 1 if outcome == "complete" else 2):
                record(journal, trial, epoch, 0.4 + 0.02 * trial + 0.01 * min(epoch, 2) - 0.005 * (epoch == 3))
            end_trial(journal, trial, outcome, "ValueError: boom\n  in line 3" if outcome == "failed" else None)
        write(journal, "sweep_ended", sync=True, reason="trials", clock={})


def several_systems(folder: Path, name: str = "quick", trials: int = 8) -> None:
    """Write a sweep of two systems as the quickstart's: each parameter belongs to one of them, but for `batch_size`."""
    with Journal.create(folder) as journal:
        search = {"sampler": "tpe", "trials": trials, "seed": 7}
        start(journal, name, system=["fused", "linear"], search=search)
        for trial in range(trials):
            system = ("fused", "linear")[trial % 2]
            own = {"fused": {"weight": 0.1 * trial, "k1": 0.9 + trial}, "linear": {"lr": 0.001 * (trial + 1)}}[system]
            chosen = {"system": system, **{f"{system}.{each}": value for each, value in own.items()}}
            write(
                journal,
                "trial_started",
                sync=True,
                trial=trial,
                system=system,
                params={"batch_size": 256, **own},
                chosen=chosen,
                distributions={},
                seed=7,
                epochs=3,
            )
            for epoch in range(4 if system == "linear" else 1):
                record(journal, trial, epoch, 0.42 + 0.01 * trial + 0.01 * epoch)
            end_trial(journal, trial, "complete")
        write(journal, "sweep_ended", sync=True, reason="trials", clock={})


def confirmed(journal: Journal, number: int, trial: int, value: float) -> None:
    """Confirm a trial: `value` on test against 0.3 of the floor `raw`."""
    line = {"queries": 100, "difference": value - 0.3, "low": value - 0.35, "high": value - 0.25, "p": 0.001}
    row = {"trial": trial, "system": "linear", "test": figures_of(value), "against": {"raw": line}}
    result = {
        "confirmation": number,
        "opened": number,
        "seeds": 3,
        "compared": "nDCG@10",
        "floors": {"raw": figures_of(0.3)},
        "ceilings": {"oracle": figures_of(0.8)},
        "finalists": [row],
    }
    write(journal, "confirmation_started", confirmation=number, finalists=[trial], seeds=3, clock={})
    write(journal, "test_opened", confirmation=number, times=number, finalists=[trial], clock={})
    write(journal, "confirmed", confirmation=number, result=result)


def expected_metrics(events: list[Event], trial: int) -> set[tuple[str, int, int, float]]:
    """Return (name, time in ms, step, value) of all that the journal says of a trial, best figures apart."""
    points = set()
    for event in events:
        if isinstance(event, RecordTaken) and event.trial == trial:
            one = event.record
            named = dict(figures(one.figures, "dev")) | {"loss/info_nce": one.losses["info_nce"]} | dict(one.clock)
            points |= {(name, round(event.t * 1000), one.epoch, value) for name, value in named.items()}
    return points
