"""What a confirmation says of a ranking, trec_eval says too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nvf import tasks
from nvf.errors import MeasureError
from nvf.measures import fast
from nvf.registry.elsewhere import Elsewhere
from nvf.registry.judging import Judge
from nvf.systems import create
from nvf.tasks.base import Task
from nvf.types import Queries, Ranking
from tests.registry.conftest import SYNTHETIC

MEASURES = ["nDCG@10", "R@5"]


@pytest.fixture
def task(mlruns: Any) -> Task:
    return tasks.open_snapshot(tasks.build_snapshot({**SYNTHETIC, "test": 30}))


def test_trec_eval_is_asked_for_every_view(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here nvf counts one query wrongly, where documents are cold alone: it is named, with both values."""
    counted, name = fast.per_query, task.split("test").queries.ids[4]

    def wrong(ranking: Ranking, qrels: Any, measures: Any) -> Any:
        values = counted(ranking, qrels, measures)
        if len(qrels.rows) < len(task.split("test").qrels.rows):
            values["R@5"][4] = 0.125
        return values

    judge = Judge(task, MEASURES, 0.2)
    assert set(judge.untrained([0])) == {"raw", "oracle"}
    monkeypatch.setattr(fast, "per_query", wrong)
    judge.untrained([])
    with pytest.raises(MeasureError, match=f"R@5 of query '{name}' is 0.125000 by nvf and [01].000000 by trec_eval"):
        judge.untrained([0])


def test_a_system_that_orders_equal_scores_by_rules_of_its_own_is_found(task: Task) -> None:
    """trec_eval orders them by document id; that the right document comes first must be no luck."""
    system, split = create("raw", {}, task.corpus), task.split("test")
    answers = np.array([split.qrels.of(query)[0][0] for query in range(len(split))])

    def rank(queries: Queries, k: int) -> Ranking:
        others = np.array([np.setdiff1d(np.arange(len(task.corpus)), row)[: k - 1] for row in answers])
        return Ranking(torch.zeros(len(queries), k), torch.from_numpy(np.column_stack([answers, others])))

    system.rank = rank  # type: ignore[method-assign]
    with pytest.raises(MeasureError, match="nDCG@10 of query .* is 1.0+ by nvf and 0.[0-9]+ by trec_eval"):
        Judge(task, MEASURES, 0.0).system(system)


def test_trec_eval_is_asked_on_other_tasks_too(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Elsewhere(task, [{**SYNTHETIC, "test": 20, "seed": 1}], MEASURES)
    assert set(elsewhere.floors().floors) == {"raw"}
    counted = fast.per_query
    monkeypatch.setattr(
        fast, "per_query", lambda *args: {name: values * 0.5 for name, values in counted(*args).items()}
    )
    with pytest.raises(MeasureError, match="queries differ"):
        elsewhere.floors()
