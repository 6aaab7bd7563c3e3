"""What a sweep optimises: which figure, which way, and which record stands for a trial."""

from __future__ import annotations

import math

import pytest

from nvf.errors import MeasureError
from nvf.measures.objective import Objective
from nvf.training.record import Record

QUALITY, COLD, LATENCY = (Objective.parse(text) for text in ("nDCG@10", "cold R@5", "latency_ms_p95"))


def record(epoch: int, value: float | None, latency: float = 1.0) -> Record:
    figures = {} if value is None else {"all": {"nDCG@10": value}, "cold": {"R@5": value / 2}}
    return Record(epoch=epoch, losses={}, figures=figures, clock={"latency_ms_p95": latency})


@pytest.mark.parametrize("text", ["nDCG@10", "cold R@5", "clean Success@1", "latency_ms_p50", "latency_ms_p95"])
def test_it_is_written_as_it_is_read(text: str) -> None:
    assert str(Objective.parse(text)) == text and Objective.parse("all R@5") == Objective.parse("R@5")


@pytest.mark.parametrize("text", ["warm nDCG@10", "nDCG", "nDCG@0", "", "cold latency_ms_p95"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(MeasureError):
        Objective.parse(text)


def test_the_value_of_a_record() -> None:
    made = record(1, 0.5, 7.0)
    assert [each.of(made) for each in (QUALITY, COLD, LATENCY)] == [0.5, 0.25, 7.0]
    assert [each.of(record(1, None)) for each in (QUALITY, COLD, LATENCY)] == [None, None, 1.0]
    assert QUALITY.of(None) is None and LATENCY.of(None) is None
    assert QUALITY.of(record(1, math.nan)) is None and LATENCY.of(record(1, 0.5, math.nan)) is None
    assert QUALITY.of_figures({"all": {"nDCG@10": 0.0}}) == 0.0 and QUALITY.of_figures({"cold": {"nDCG@10": 1}}) is None


def test_more_of_a_quality_is_better_and_less_of_a_latency() -> None:
    assert (QUALITY.sign, COLD.sign, LATENCY.sign) == (1, 1, -1)
    values = [0.2, None, 0.9, -0.5, 0.0]
    assert sorted(values, key=QUALITY.standing) == [0.9, 0.2, 0.0, -0.5, None]
    assert sorted(values, key=LATENCY.standing) == [-0.5, 0.0, 0.2, 0.9, None]


def test_the_first_of_the_best_trained_epochs_stands_for_a_trial() -> None:
    def best(objective: Objective, *records: Record) -> int | None:
        found = objective.best(iter(records))
        return None if found is None else found.epoch

    assert best(QUALITY, record(0, 0.9), record(1, 0.3), record(2, 0.5), record(3, 0.5)) == 2
    assert best(QUALITY, record(0, 0.9)) == 0
    assert best(QUALITY, record(0, 0.9), record(1, None)) is None, "its start does not stand for what was trained"
    assert best(QUALITY, record(1, None), record(2, 0.1)) == 2
    assert best(QUALITY) is None
    assert best(LATENCY, record(0, 0.9, 1.0), record(1, 0.3, 9.0), record(2, 0.5, 8.0)) == 2
