"""A confirmation on real Ray: trained, killed, gone on with, judged once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvf import tasks
from nvf.errors import SweepError, TaskError
from nvf.journal.events import FILE, Journal, read
from nvf.journal.facts import Part
from nvf.journal.kinds import Event, Replicated
from nvf.journal.replay import replay
from nvf.journal.result import ConfirmationResult
from nvf.measures import judge
from nvf.plain import plain
from nvf.registry import confirm as rooms
from nvf.registry.confirm import confirm
from nvf.systems.ranking import rank_split
from nvf.tracking import names, runs, server
from nvf.training import checkpoint
from tests.registry.conftest import SYNTHETIC, raw, rewrite

RunSweep = Callable[..., Path]


class Died(BaseException):
    """What stands for a kill: nothing of ours catches it."""


def die(*_: Any) -> None:
    raise Died


def kinds(folder: Path) -> list[str]:
    return [event.kind for event in read(folder)]


def cut(folder: Path, after: Event) -> None:
    """Leave of a journal what was there when `after` had been written."""
    journal = folder / FILE
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[: after.n + 1]))


@pytest.mark.ray
def test_a_confirmation_dies_twice_and_opens_test_once(
    run_sweep: RunSweep, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_sweep()
    with monkeypatch.context() as patch:
        patch.setattr(rooms, "_judge", die)
        with pytest.raises(Died):
            confirm("small", top=2, seeds=2)
        undisturbed = replay(read(folder)).confirmations[0]
        assert len(undisturbed.replicates) == 8 and undisturbed.opened
        third = [event for event in read(folder) if event.kind == "replicate"][2]
        cut(folder, third)
        with pytest.raises(Died):
            confirm("small", top=2, seeds=2)
        assert "confirmation 1: going on, 3 trainings are in" in said
    again = replay(read(folder)).confirmations[0].replicates
    assert {part: event.checkpoint for part, event in again.items()} == {
        part: event.checkpoint for part, event in undisturbed.replicates.items()
    }, "an interrupted confirmation equals an undisturbed one, checkpoint by checkpoint"

    expected = {trial: _by_trec_eval(folder, again, trial) for trial in (0, 1)}

    said.clear()
    result = confirm("small", top=2, seeds=2)
    assert any("judging now" in line for line in said) and not any("ray" in line for line in said)
    assert kinds(folder).count("test_opened") == 1 and kinds(folder)[-1] == "confirmed"
    assert result.opened == 1 and result.confirmation == 1
    _holds_the_contract(raw(folder)[-1]["result"])
    assert {row.trial: row.test["all"]["nDCG@10"] for row in result.finalists} == pytest.approx(expected)
    kept = [found.parent for found in (folder / "confirmed").rglob("checkpoint.json")]
    assert sorted(kept) == sorted(folder / row.champion.checkpoint.folder for row in result.finalists)
    _is_shown(result, folder)
    assert result == read(folder)[-1].result == confirm("small", top=2, seeds=2)
    assert kinds(folder).count("test_opened") == 1


def _holds_the_contract(result: dict[str, Any]) -> None:
    assert {"sweep", "measure", "finalists"} <= set(result)
    assert result["queries"]["all"] == 50 and set(result["floors"]) == {"raw"} and set(result["ceilings"]) == {"oracle"}
    for row in result["finalists"]:
        assert {"trial", "system", "seeds", "dev", "test", "against"} <= set(row)
        assert row["seeds"] == 2 and {"mean", "sd"} <= set(row["dev"]) and set(row["test"]) == {"all", "clean", "cold"}
        raw = row["against"]["raw"]
        assert raw["low"] <= raw["difference"] <= raw["high"] and 0 < raw["p"] <= 1
        for view in row["test"]:
            difference = row["test"][view]["nDCG@10"] - result["floors"]["raw"][view]["nDCG@10"]
            assert raw[view]["difference"] == pytest.approx(difference) and raw[view]["seeds"] == 2
        draws = row["withheld"]["figures"]
        assert row["withheld"]["mean"]["cold"]["R@5"] == pytest.approx(np.mean([each["cold"]["R@5"] for each in draws]))
        assert len(draws) == 2 and row["test"]["cold"] == row["withheld"]["mean"]["cold"]
        values = row["dev_all_judgements"]["values"]
        assert row["champion"]["record"]["figures"]["all"]["nDCG@10"] == sorted(values)[0], "the lower median of two"
        alone = [each["all"]["nDCG@10"] for each in row["test_by_seed"]]
        assert row["champion"]["test"] == row["test_by_seed"][row["champion"]["place"]]
        assert len(set(alone)) == 2 and row["test"]["all"]["nDCG@10"] == pytest.approx(np.mean(alone))
    one, other = result["finalists"]
    (pair,) = result["pairwise"]
    assert (pair["trial"], pair["other"]) == (one["trial"], other["trial"])
    for view in ("all", "clean", "cold"):
        difference = one["test"][view]["nDCG@10"] - other["test"][view]["nDCG@10"]
        assert pair[view]["difference"] == pytest.approx(difference)


def _by_trec_eval(folder: Path, replicates: dict[Part, Replicated], trial: int) -> float:
    """The mean over the seeds of a finalist's trainings on all judgements, each judged by trec_eval."""
    task = tasks.open_snapshot(tasks.build_snapshot(read(folder)[0].spec.task))
    split, found = task.split("test"), []
    for part, event in replicates.items():
        if part.trial == trial and not part.withheld:
            at = event.checkpoint
            system = checkpoint.restore_system(folder / at.folder, task.corpus, digest=at.digest)
            ranking = rank_split(system, split, 10)
            found.append(judge.per_query(ranking, split.qrels, task.corpus.ids, ["nDCG@10"])["nDCG@10"].mean())
    assert len(found) == 2
    return float(np.mean(found))


def _is_shown(result: ConfirmationResult, folder: Path) -> None:
    """MLflow has the test figures on the finalists' runs."""
    client = server.client()
    shown = runs.find(client, server.experiment(client), replay(read(folder)))
    for row in result.finalists:
        run = client.get_run(shown[row.trial].id)
        assert run.data.metrics["test/nDCG_at_10"] == pytest.approx(row.test["all"]["nDCG@10"])
        assert run.data.metrics["test_cold/R_at_5"] == pytest.approx(row.test["cold"]["R@5"])
        assert "test opened 1 time" in run.data.tags[names.CONFIRMED]


@pytest.mark.ray
@pytest.mark.slow
def test_what_does_not_learn_by_epochs_and_withholds_nothing_is_trained_once(run_sweep: RunSweep) -> None:
    folder = run_sweep(options={**SYNTHETIC, "test": 1}, epochs=0, cold=0.0, rates=(0.001,))
    result = confirm("small", seeds=3)
    assert result == read(folder)[-1].result
    json.dumps(plain(result), allow_nan=False)
    assert kinds(folder).count("replicate") == 1
    row = result.finalists[0]
    assert set(row.test) == {"all", "clean"} and row.withheld.draws == 0 and row.dev.sd is None
    assert confirm("small", seeds=3) == result
    again = confirm("small", seeds=3, again=True)
    assert again.opened == 2 and again.finalists[0].test == row.test


def test_a_running_sweep_is_refused(run_sweep: RunSweep) -> None:
    folder = run_sweep(epochs=1, rates=(0.001,))
    journal, _ = Journal.open(folder)
    with journal, pytest.raises(SweepError, match="is running"):
        confirm("small")


def test_a_changed_task_is_refused_before_anything_is_trained(run_sweep: RunSweep) -> None:
    folder = run_sweep(epochs=1, rates=(0.001,))
    rewrite(folder, lambda event: event.get("task", {}).update(fingerprint="another"))
    with pytest.raises(TaskError, match="has changed since"):
        confirm("small")
    assert "test_opened" not in kinds(folder)
