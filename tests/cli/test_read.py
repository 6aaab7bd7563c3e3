"""What programs may rely on: the JSON forms, and what people read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvf import devices
from nvf.cli import render
from nvf.errors import UsageError
from nvf.journal.leaderboard import Leaderboard
from nvf.plain import adapter
from tests.tracked import ROOT, below

SPEC = """\
name: small
task: {source: synthetic, documents: 60, dim: 8, train: 100, dev: 20, test: 30}
system: linear
budget: {epochs: 1}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


def test_floors(nvf: Any, mlruns: Path, spec: Path) -> None:
    report = json.loads(nvf("floors", spec, "--split", "test", "--json").out)
    assert report["split"] == "test" and report["queries"]["all"] == 30
    assert set(report["floors"]) == {"raw"} and set(report["ceilings"]) == {"oracle"}
    assert set(report["floors"]["raw"]) == {"all", "clean", "cold"}
    assert 0 < report["floors"]["raw"]["all"]["nDCG@10"] <= 1
    shown = nvf("floors", spec, "--split", "test").out
    assert f"{report['floors']['raw']['cold']['nDCG@10']:.4f}" in shown
    assert "cold" not in json.loads(nvf("floors", spec, "--set", "cold=0", "--json").out)["floors"]["raw"]


def test_floors_of_all_tasks_are_measured_within_one_block_of_the_device(
    nvf: Any, mlruns: Path, spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two, the encoder would leave the GPU and come back."""
    entered, using = [], devices.using

    def noted(gpu: float) -> Any:
        entered.append(gpu)
        return using(gpu)

    monkeypatch.setattr(devices, "using", noted)
    other = "{source: synthetic, documents: 60, dim: 8, train: 100, dev: 20, test: 30, seed: 1}"
    spec.write_text(f"{SPEC}evaluate: [{other}]\n")
    assert json.loads(nvf("floors", spec, "--json").out)["evaluate"]["tasks"] == ["synthetic/uniform"]
    assert entered == [0]


def test_floors_of_a_split_that_is_not_there(nvf: Any, mlruns: Path, spec: Path) -> None:
    ran = nvf("floors", spec, "--split", "tset")
    assert ran.code == 2 and "has no split 'tset'" in ran.err


@pytest.mark.data
def test_floors_of_the_published_sets(nvf: Any, mlruns: Path, data_folder: Path, tmp_path: Path) -> None:
    for name, raw in (("scifact", 0.6451), ("nfcorpus", 0.3159)):
        path = ROOT / "search_spaces" / f"linear_{name}.yaml"
        report = json.loads(nvf("floors", path, "--split", "test", "--json").out)
        assert report["floors"]["raw"]["all"]["nDCG@10"] == pytest.approx(raw, abs=0.0005)
        assert report["floors"]["bm25"]["all"]["nDCG@10"] > raw


def test_systems_and_tasks(nvf: Any) -> None:
    systems = {each["name"]: each for each in json.loads(nvf("systems", "--json").out)}
    assert {"raw", "bm25", "oracle", "linear", "soft_attention", "two_stage"} <= set(systems)
    temperature = systems["linear"]["params"]["temperature"]
    assert {name: temperature[name] for name in ("type", "default", "low", "high")} == {
        "type": "float",
        "default": 0.05,
        "low": 0.01,
        "high": 0.2,
    }
    assert systems["two_stage"]["params"]["reranker.hidden"]["default"] == 128
    assert all(each["summary"] and each["source"] for each in systems.values())
    tasks = {each["name"]: each for each in json.loads(nvf("tasks", "--json").out)}
    assert {"beir", "pydocs", "synthetic", "vectors"} <= set(tasks)
    assert tasks["beir"]["params"]["path"]["required"]


def test_check_samples_and_prices(nvf: Any, mlruns: Path) -> None:
    there = [path for path in below("search_spaces", ".yaml") if path.name != "triples.yaml"]  # its data is not here
    ran = nvf("check", *there, "--json")
    assert ran.code == 0, ran.err
    for each in json.loads(ran.out):
        assert each["samples"] and each["samples"][0]["start"]
        assert each["cost"]["epochs"] == each["trials"] * each["cost"]["epochs_per_trial"] > 0
    assert not (mlruns / "sweeps").exists(), "nothing was run"


def test_the_search_space_of_triples(nvf: Any, tmp_path: Path) -> None:
    """Its file is one's own, so that here it is checked against one that is made for it."""
    triples = [{"query": f"q{n % 90}", "positive": f"d{2 * n}", "negative": f"d{2 * n + 1}"} for n in range(200)]
    (tmp_path / "triples.jsonl").write_text("".join(json.dumps(each) + "\n" for each in triples))
    for name, letter, count in (("corpus", "d", 400), ("queries", "q", 90)):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(count).standard_normal((count, 8), dtype=np.float32))
        (tmp_path / f"{name}_ids.json").write_text(json.dumps([f"{letter}{row}" for row in range(count)]))
    spec = ROOT / "search_spaces" / "triples.yaml"
    places = [f"--set=task.path={tmp_path / 'triples.jsonl'}", f"--set=task.vectors={tmp_path}"]
    ran = nvf("check", spec, *places, "--json")
    assert ran.code == 0, ran.err
    first, second, *_ = json.loads(ran.out)[0]["samples"]
    assert "'corpus'" in str(first) and "'judged'" in str(second)


def test_no_sweeps_yet(nvf: Any, mlruns: Path) -> None:
    assert json.loads(nvf("list", "--json").out) == []
    assert "nvf init" in nvf("status").out


BOARD: dict[str, Any] = {
    "sweep": "small",
    "measure": "nDCG@10",
    "objectives": ["nDCG@10"],
    "floors": {"raw": 0.5, "bm25": 0.4},
    "floor_figures": {
        "raw": {"all": {"nDCG@10": 0.5, "R@5": 0.6}, "clean": {"nDCG@10": 0.5, "R@5": 0.6}, "cold": {"nDCG@10": 0.3}},
        "bm25": {"all": {"nDCG@10": 0.4, "R@5": 0.5}, "clean": {"nDCG@10": 0.4, "R@5": 0.5}, "cold": {"nDCG@10": 0.2}},
    },
    "ceilings": {},
    "ceiling_figures": {},
    "split": "dev",
    "cold_by": "condensed",
    "status": "ended",
    "queries": {"all": 10, "clean": 10, "cold": 7},
    "leaks": [],
    "notes": ["a note"],
    "trials": [
        {
            "trial": 3,
            "system": "linear",
            "outcome": "complete",
            "epochs": 4,
            "best_epoch": 2,
            "value": 0.55,
            "figures": {
                "all": {"nDCG@10": 0.55, "R@5": 0.7},
                "clean": {"nDCG@10": 0.55, "R@5": 0.7},
                "cold": {"nDCG@10": 0.1},
            },
            "values": [0.55],
            "params": {"system": "linear", "lr": 0.001},
            "settings": {"lr": 0.001, "rank": 4},
            "seed": 0,
            "diagnoses": ["harmful_reranker"],
            "beats_floors": True,
            "error": None,
            "faults": [],
        }
    ],
}


def board(**changes: Any) -> Leaderboard:
    read: Leaderboard = adapter(Leaderboard).validate_python({**BOARD, **changes})
    return read


def told(width: int, **options: Any) -> list[str]:
    return [part if isinstance(part, str) else part.plain for part in render.leaderboard(board(), width, **options)]


def test_a_leaderboard_for_people() -> None:
    assert told(110) == [
        "small: nDCG@10 on dev, best first",
        "                         nDCG@10                            R@5",
        "trial  system  outcome       all    cold  floors  epoch     all  cold  diagnoses         setting",
        "0003   linear  complete   0.5500  0.1000  above     2/4  0.7000     -  harmful_reranker  lr=0.001",
        "floor  raw                0.5000  0.3000                 0.6000     -",
        "floor  bm25               0.4000  0.2000                 0.5000     -",
        "clean = all: the same 10 queries and figures, shown once",
        "a note",
        "best on dev: trial 0003, 0.5500, +0.0500 over the best floor (raw)",
        "but for cold documents it LOSES to the floor raw: 0.1000 against 0.3000 nDCG@10",
    ]


def test_what_does_not_fit_is_named_and_shown_below() -> None:
    assert told(60)[3:12] == [
        "0003   linear  complete   0.5500  0.1000  above     2/4",
        "floor  raw                0.5000  0.3000",
        "floor  bm25               0.4000  0.2000",
        "left out at 60 columns: R@5, diagnoses, setting; --wide shows all, --columns some",
        "",
        "setting of trial  0003",
        "lr                0.001",
        "",
        "harmful_reranker: 0003",
    ]


def test_columns_are_chosen_by_name_parameters_among_them() -> None:
    assert told(20, chosen=["trial", "rank", "R@5"])[1:4] == [
        "                R@5",
        "trial  rank     all  cold",
        "0003      4  0.7000     -",
    ]
    with pytest.raises(UsageError, match="no column 'rnak'; did you mean 'rank'"):
        told(20, chosen=["rnak"])


def test_a_winner_that_loses_is_said_to_lose() -> None:
    assert render.verdict(board(floors={"raw": 0.56})) == [
        "the best trial does NOT beat the floor raw: 0.5500 against 0.5600 on dev"
    ]


def test_help_says_what_each_command_does_without_cutting_it(nvf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    commands = nvf("--help").out.split("Commands:")[1].splitlines()
    assert len(commands) > 20 and not any(line.endswith("...") for line in commands)
