"""Published failures are named, healthy figures are not."""

from __future__ import annotations

import math

import pytest

from nvf.diagnostics.next_vector import MEMORISED, SPLIT, memorisation, split_objective


def test_the_published_split_is_named_with_its_figures() -> None:
    (found,) = split_objective(0.2163, -0.1195)
    assert (found.name, found.threshold) == ("split_objective", SPLIT)
    assert found.figure == pytest.approx(-0.3358)
    assert "0.2163" in found.text and "-0.1195" in found.text


def test_the_published_memorisation_is_named_with_its_figures() -> None:
    (found,) = memorisation(0.5149, 0.2163)
    assert (found.name, found.threshold) == ("memorisation", -MEMORISED)
    assert found.figure == pytest.approx(-0.2986)
    assert "0.5149" in found.text and "0.2163" in found.text


@pytest.mark.parametrize(("before", "after"), [(0.5, 0.4), (0.2, 0.6), (0.0, 0.0), (-0.1, -0.2), (math.nan, 0.1)])
def test_small_differences_are_no_pathology(before: float, after: float) -> None:
    assert split_objective(before, after) == memorisation(before, after) == []
