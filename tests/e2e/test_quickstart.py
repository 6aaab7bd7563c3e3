"""A stranger's first hour: the quickstart's own commands, from an empty mlruns/ to a champion that is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(2400)]

SPEC = Path(__file__).parents[2] / "search_spaces" / "quickstart.yaml"


def test_the_quickstart_wins_and_is_promoted_without_force(home: Any) -> None:
    home.patience = 1200  # 6,000 texts are encoded

    def nvf(*arguments: object) -> Any:
        code, out, err = home.run(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    board = nvf("sweep", SPEC, "--time", "30m")  # a busy machine gets its time
    best = board["trials"][0]
    assert best["system"] == "fused"
    assert best["value"] > max(board["floors"].values()) + 0.03, "it wins on dev, by which it is chosen"
    assert {trial["outcome"] for trial in board["trials"]} <= {"complete", "pruned"}

    confirmed = nvf("confirm", "quickstart")
    assert confirmed["opened"] == 1

    promoted = nvf("promote", "quickstart")
    assert promoted["forced"] is None and promoted["alias"] == "champion"
    assert {verdict["gate"] for verdict in promoted["gates"]} >= {"floors", "cold"}
    assert {verdict["outcome"] for verdict in promoted["gates"]} == {"passes"}
    champion = next(row for row in confirmed["finalists"] if row["trial"] == promoted["trial"])
    against = champion["against"]["hybrid"]
    assert against["difference"] >= 0.03 and against["low"] > 0
    ours, hybrid = champion["test"]["all"]["nDCG@10"], confirmed["floors"]["hybrid"]["all"]["nDCG@10"]
    assert ours - hybrid == pytest.approx(against["difference"], abs=1e-6)

    answers = nvf("search", "shortest path between two nodes of a weighted graph")
    assert any("networkx" in str(answer) for answer in answers[:5]), answers
