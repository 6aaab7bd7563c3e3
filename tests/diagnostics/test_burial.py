"""buries_new_documents: all above raw, cold under it by more than the margin."""

from __future__ import annotations

import pytest

from nvf.diagnostics.burial import MARGIN, buries_new_documents
from nvf.types import Figures

RAW: Figures = {"all": {"R@5": 0.30}, "clean": {"R@5": 0.30}, "cold": {"R@5": 0.12}}


def figures(all_: float, cold: float) -> Figures:
    return {"all": {"R@5": all_}, "clean": {"R@5": 0.9}, "cold": {"R@5": cold}}


def test_burial_is_named_with_its_figures() -> None:
    (found,) = buries_new_documents(figures(0.40, 0.04), RAW, "R@5")
    assert found.name == "buries_new_documents"
    assert found.figure == pytest.approx(-0.08) and found.threshold == -MARGIN
    assert "0.4000 against 0.3000" in found.text and "0.0400 against 0.1200" in found.text


@pytest.mark.parametrize("all_, cold", [(0.40, 0.13), (0.40, 0.12), (0.40, 0.12 - MARGIN / 2)])
def test_a_gain_that_new_documents_share_or_do_not_pay_for_is_healthy(all_: float, cold: float) -> None:
    assert buries_new_documents(figures(all_, cold), RAW, "R@5") == []


def test_a_system_that_is_worse_throughout_has_another_fault() -> None:
    assert buries_new_documents(figures(0.25, 0.04), RAW, "R@5") == []


def test_without_withheld_documents_there_is_nothing_to_say() -> None:
    without = {view: figures(0.4, 0.0)[view] for view in ("all", "clean")}
    assert buries_new_documents(without, RAW, "R@5") == []
    assert buries_new_documents(figures(0.4, 0.0), {"all": {"R@5": 0.3}}, "R@5") == []
