"""The champion that reigns is judged beside the finalists, and its gate asks the confirmation."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from nvf.cli.verdicts import comparisons
from nvf.registry.confirm import confirm
from nvf.registry.promote import promote

promotion = importlib.import_module("nvf.registry.promote")
RunSweep = Callable[..., Path]


@pytest.mark.ray
def test_finalists_stand_beside_the_champion_and_promotion_ranks_nothing_anew(
    run_sweep: RunSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sweep("small")
    alone = confirm("small", top=1, seeds=1)
    assert alone.champion is None and alone.finalists[0].against_champion is None
    first = promote("small", force="the first of its name")

    run_sweep("other", rates=(0.0001,), epochs=2)
    result = confirm("other", seeds=1, model="small")
    assert result.champion is not None
    assert (result.champion.model, result.champion.version) == ("small", first.version)
    assert result.champion.figures["all"] == alone.finalists[0].test["all"], "the very checkpoint"
    (row,) = result.finalists
    assert row.against_champion is not None and "all" in row.against_champion
    assert "champion" not in row.against, "it is no floor"
    assert any("models:/small/1" in line.plain for line in comparisons(row, result, 80))

    def unasked(*_: object) -> None:
        raise AssertionError("test was ranked anew")

    monkeypatch.setattr(promotion, "rank_split", unasked)
    done = promote("other", model="small", force="to see the gate")
    (verdict,) = (each for each in done.gates if each.gate == "champion")
    assert f"{row.against_champion['all'].difference:+.4f}" in verdict.said


@pytest.mark.ray
@pytest.mark.slow
def test_a_champion_of_other_data_is_not_compared(run_sweep: RunSweep, said: list[str]) -> None:
    run_sweep("small")
    confirm("small", top=1, seeds=1)
    promote("small", force="the first of its name")
    options = {"source": "synthetic", "documents": 70, "dim": 8, "map": "rotation", "train": 200, "dev": 30, "test": 30}
    run_sweep("other", options, rates=(0.01,), epochs=1)
    assert confirm("other", seeds=1, model="small").champion is None
    assert any("of other data" in line for line in said)
