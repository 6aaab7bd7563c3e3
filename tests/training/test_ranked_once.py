"""Dev is ranked once an epoch, by every system and by each of its stages."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from nvf.measures.evaluate import evaluate
from nvf.systems import SYSTEMS, create
from nvf.systems.base import System
from nvf.systems.documents import Documents
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Task
from nvf.training.loop import Training
from nvf.types import Ranking
from tests.contracts.test_system_contract import SETTINGS, task, vectors, windows

__all__ = ["task", "vectors", "windows"]
RERANKING = {
    "two_stage": {"stage_one.epochs": 1},
    "two_stage, joint": {"training": "joint"},
    "two_stage, gate open": {"stage_one.epochs": 1, "reranker.gated": False},
    "cascade": {"first": "linear", "first_epochs": 1, "depth": 12, "reranker.gated": False},
    "cascade, bm25": {"first": "bm25", "reranker.gated": False},
    "lvm_rerank, raw": {**SETTINGS["lvm_rerank"], "first": "raw", "depth": 30},
}


def kinds(kind: type[System]) -> list[type[System]]:
    return [kind, *(each for child in kind.__subclasses__() for each in kinds(child))]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[int, str]]:
    """How many times each object has ranked as many queries as dev has, and searched for them."""
    found: Counter[tuple[int, str]] = Counter()

    def counting(kind: type[Any], name: str) -> None:
        real = vars(kind)[name]

        def call(self: Any, queries: Any, *args: Any) -> Ranking:
            found[id(self), name] += len(queries) == 40
            return real(self, queries, *args)

        monkeypatch.setattr(kind, name, call)

    [SYSTEMS[name] for name in SYSTEMS]
    for kind in kinds(System):
        if "rank" in vars(kind):
            counting(kind, "rank")
    counting(Documents, "search")
    return found


def once(name: str, settings: dict[str, Any], task: Task, counted: Counter[tuple[int, str]]) -> None:
    training = Training(create(name, settings, task.corpus), task, seed=0, epochs=2, measures=["nDCG@10"])
    epochs = [
        training.start,
        *(lambda number=number: training.epoch(number) for number in range(1, training.epochs + 1)),
    ]
    for epoch in epochs:
        counted.clear()
        epoch()
        assert counted[id(training.system), "rank"] == 1
        assert max(counted.values()) == 1, "nor does a stage"


@pytest.mark.parametrize("name", SYSTEMS, scope="class")
class TestOnce:
    def test_an_epoch(self, name: str, task: Task, counted: Counter[tuple[int, str]]) -> None:
        once(name, SETTINGS.get(name, {}), task, counted)


@pytest.mark.parametrize("case", RERANKING)
def test_stages(case: str, vectors: Task, windows: Task, counted: Counter[tuple[int, str]]) -> None:
    name = case.split(",")[0]
    once(name, RERANKING[case], vectors if SYSTEMS[name].applies_to(vectors) is None else windows, counted)


@pytest.mark.parametrize("case", RERANKING)
def test_what_a_ranking_says_is_what_another_one_would(case: str, vectors: Task, windows: Task) -> None:
    """The first stage's answer is remembered only for the ranking that it belongs to."""
    name = case.split(",")[0]
    task = vectors if SYSTEMS[name].applies_to(vectors) is None else windows
    training = Training(create(name, RERANKING[case], task.corpus), task, seed=0, epochs=2, measures=["nDCG@10"])
    record = [training.start(), *(training.epoch(number) for number in range(1, training.epochs + 1))][-1]
    system, dev, train = training.system, task.split("dev"), task.train
    ranking = rank_split(system, dev, 20)
    system.rank(train.queries, 3)
    again = system.inspect(dev, ranking)
    assert again.statistics == pytest.approx(dict(record.statistics))
    figures = evaluate(ranking, dev, None, ["Success@1"]).figures["all"]
    assert again.statistics["pipeline"] == pytest.approx(figures["Success@1"])
