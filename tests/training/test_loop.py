"""The loop: records, divergence, seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nvf.errors import Diverged
from nvf.measures.parse import parse
from nvf.systems import create
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Task
from nvf.training import loop
from nvf.training.loop import Training
from nvf.training.record import Record


def train(task: Task, seed: int = 0, **params: object) -> list[Record]:
    system = create("linear", {"lr": 3e-3, "dropout": 0.1, **params}, task.corpus)
    training = Training(system, task, seed=seed, epochs=3, measures=["nDCG@10", "R@5"])
    return [training.start(), *(training.epoch(number) for number in range(1, training.epochs + 1))]


def test_a_record_per_epoch(small: Task) -> None:
    records = train(small)
    assert [record.epoch for record in records] == [0, 1, 2, 3]
    assert records[0].losses == {}
    assert records[3].losses["info_nce"] < records[1].losses["info_nce"]
    for record in records:
        assert {view: set(values) for view, values in record.figures.items()} == {
            view: {"nDCG@10", "R@5"} for view in ("all", "clean", "cold")
        }
        assert set(record.clock) == {"seconds", "seconds_evaluating", "latency_ms_p50", "latency_ms_p95"}
    assert records[3].figures["all"]["nDCG@10"] > records[0].figures["all"]["nDCG@10"]


def test_the_clock_tells_how_long_each_part_took(small: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that the parts move on: two batches of 3 s, 11 s to inspect and 3 s of held-out losses, and so on."""
    now = 1000.0
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: now))

    def taking(seconds: float, part: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            nonlocal now
            now += seconds
            return part(*arguments, **options)

        return timed

    system = create("linear", {"batch_size": 250}, small.corpus)
    for name, seconds in (("prepare", 7.0), ("losses", 3.0), ("inspect", 11.0)):
        monkeypatch.setattr(system, name, taking(seconds, getattr(system, name)))
    training = Training(system, small, seed=0, epochs=1, measures=["R@5"])
    ranked = iter([0.0, *[0.002] * 28, *[0.004] * 4, 0.0, *[0.008] * 32])
    rank = system.rank
    monkeypatch.setattr(system, "rank", lambda queries, k: taking(next(ranked), rank)(queries, k))
    clocks = [training.start().clock, training.epoch(1).clock]
    assert clocks[0] == pytest.approx(
        {"seconds": 7, "seconds_evaluating": 14, "latency_ms_p50": 2, "latency_ms_p95": 4}, abs=1e-6
    )
    assert clocks[1] == pytest.approx(
        {"seconds": 6, "seconds_evaluating": 14, "latency_ms_p50": 8, "latency_ms_p95": 8}, abs=1e-6
    )


def test_the_same_seed_gives_the_same_records(small: Task) -> None:
    def records(seed: int) -> list[Record]:
        return [dataclasses.replace(record, clock={}) for record in train(small, seed)]

    first = records(0)
    torch.rand(3)
    assert records(0) == first
    assert records(1) != first


def test_losses_are_means_over_queries_not_over_batches(small: Task) -> None:
    """With a learning rate of nearly 0 the mean does not depend on how the queries are cut into batches."""
    losses = [train(small, lr=1e-6, dropout=0.0, batch_size=size)[1].losses["info_nce"] for size in (64, 500)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


def test_measures_may_be_parsed_already(small: Task) -> None:
    system = create("raw", {}, small.corpus)
    training = Training(system, small, seed=0, epochs=5, measures=[parse("R@5")])
    assert training.epochs == 0
    assert set(training.start().figures["all"]) == {"R@5"}


def test_divergence_is_named(small: Task) -> None:
    system = create("linear", {}, small.corpus)
    training = Training(system, small, seed=0, epochs=2, measures=["R@5"])
    training.start()
    with torch.no_grad():
        next(iter(system.module().parameters())).fill_(torch.nan)  # type: ignore[union-attr]
    with pytest.raises(Diverged, match=r"linear diverged in epoch 2, step 0: info_nce = nan"):
        training.epoch(2)


def test_one_loss_of_several_is_enough(small: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    system = create("linear", {}, small.corpus)
    losses = system.losses
    monkeypatch.setattr(system, "losses", lambda batch: {**losses(batch), "other": torch.tensor(torch.inf)})
    training = Training(system, small, seed=0, epochs=2, measures=["R@5"])
    training.start()
    with pytest.raises(Diverged, match=r"linear diverged in epoch 1, step 0: info_nce = \d+.*, other = inf; lower the"):
        training.epoch(1)


def test_own_documents_are_dropped(small: Task) -> None:
    dev = small.split("dev")
    system = create("raw", {}, small.corpus)
    best = system.rank(dev.queries, 1).rows[:, 0].numpy()
    own = rank_split(system, dataclasses.replace(dev, own=best), 5)
    assert own.rows.shape == (60, 5)
    assert not (own.rows == torch.from_numpy(best)[:, None]).any()
    assert torch.equal(own.rows, system.rank(dev.queries, 6).rows[:, 1:])
