"""Errors are attributed to their stage."""

from __future__ import annotations

import pytest
import torch

from nvf.diagnostics.stages import Stages, attribute, harmful_reranker
from nvf.tasks.base import Qrels
from nvf.types import Ranking


def ranking(rows: list[list[int]]) -> Ranking:
    return Ranking(torch.arange(3.0, 0, -1).expand(len(rows), 3), torch.tensor(rows))


def test_each_query_falls_into_one_class() -> None:
    before = ranking([[7, 8, 9], [0, 8, 9], [7, 0, 9], [0, 8, 9], [7, 0, 9]])
    after = ranking([[8, 7, 9], [8, 0, 9], [7, 9, 0], [0, 9, 8], [0, 7, 9]])
    qrels = Qrels.from_triples(5, [(query, 0, 1) for query in range(5)])
    stages = attribute(before, after, qrels, depth=3)
    assert stages == Stages(missed=0.2, lost=0.2, unmoved=0.2, kept=0.2, won=0.2)
    assert stages.stage_one == stages.pipeline == pytest.approx(0.4)


def test_beyond_the_depth_is_missed() -> None:
    before = ranking([[7, 8, 0]])
    assert attribute(before, before, Qrels.from_triples(1, [(0, 0, 1)]), depth=2).missed == 1


def test_harm_is_named_with_its_figure() -> None:
    (found,) = harmful_reranker(Stages(missed=0.05, lost=0.03, unmoved=0.0, kept=0.9, won=0.02))
    assert found.name == "harmful_reranker"
    assert found.figure == pytest.approx(-0.01)
    assert "0.9200 against 0.9300" in found.text and "5.0% missed" in found.text
    assert harmful_reranker(Stages(missed=0.05, lost=0.02, unmoved=0.0, kept=0.9, won=0.03)) == []
