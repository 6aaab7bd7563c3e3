"""A loss that falls while the figure gets worse is named, by hand; real training is in test_detectors."""

from __future__ import annotations

import pytest

from nvf.diagnostics.loss_misleads import FALL, loss_misleads


@pytest.mark.parametrize(
    ("history", "named"),
    [
        ([], False),
        ([(1.0, 0.5)], False),
        ([(2.0, 0.5), (1.0, 0.4)], True),
        ([(2.0, FALL), (1.0, 0.0)], False),  # a fall of that size is not beyond it
        ([(2.0, 0.5), (1.0, 0.49 - FALL)], True),
        ([(2.0, 0.5), (2.0, 0.4)], False),
        ([(2.0, 0.5), (2.1, 0.4)], False),
        ([(2.0, 0.4), (1.0, 0.5)], False),
        ([(2.0, 0.5), (0.5, 0.3), (1.0, 0.4)], True),  # beside the best epoch before, not the last one
        ([(2.0, 0.2), (0.5, 0.5), (1.0, 0.4)], False),
        ([(2.0, 0.5), (1.0, 0.3), (3.0, 0.6)], False),  # only the last epoch is looked at
    ],
)
def test_the_last_epoch_beside_the_best_before_it(history: list[tuple[float, float]], named: bool) -> None:
    assert [each.name for each in loss_misleads(history)] == ["loss_misleads"] * named


def test_the_diagnosis_says_by_how_much() -> None:
    (found,) = loss_misleads([(2.0, 0.32), (1.5, 0.3), (1.2, 0.19)])
    assert (found.figure, found.threshold) == (pytest.approx(-0.13), -FALL)
    assert "from 2.0000 to 1.2000" in found.text and "from 0.3200 to 0.1900" in found.text
