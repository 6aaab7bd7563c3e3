"""The seeds' targets on some of the generated corpora; benchmarks/two_stage.py prints them for all. Minutes long."""

from __future__ import annotations

import pytest

from benchmarks.two_stage import compared, generated

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
OURS, PUBLISHED = "nvf's", "published, transformed query"


@pytest.mark.parametrize(("corpus", "hidden"), [("uniform", "none"), ("clustered, spread 0.2, even", "rotation")])
def test_the_pipeline_is_near_the_bayes_ceiling_and_never_under_stage_one(corpus: str, hidden: str) -> None:
    found = compared(generated(corpus, 0, hidden), "full", [OURS], 0)[OURS]
    assert found["of bayes"] >= 0.99
    assert found["change"] >= -0.002


@pytest.mark.parametrize(
    ("corpus", "start", "share"),
    [
        ("uniform", (0.88, 0.97), 0.94),
        ("clustered, spread 0.05, even", (0.70, 0.965), 0.88),
        ("clustered, spread 0.05, uneven", (0.59, 0.87), 0.87),
    ],
)
def test_a_rank_limited_stage_one_is_made_good(corpus: str, start: tuple[float, float], share: float) -> None:
    """By nvf's reranker, and not by the published one.

    Measured by the share of Bayes, for tight clusters have a lower ceiling. Even ones of spread 0.05 are the seeds' own
    start: 68 at 1, 97 at 5.
    """
    found = compared(generated(corpus, 0), "rank 72, K 5", [OURS, PUBLISHED], 0)
    ours, published = found[OURS], found[PUBLISHED]
    assert (ours["top-1"], ours["top-5"]) == pytest.approx(start, abs=0.02)
    assert ours["of bayes"] >= share
    assert corpus != "uniform" or ours["pipeline"] >= 0.90
    assert published["change"] < 0.01 and published["pipeline"] < ours["pipeline"] - 0.05
