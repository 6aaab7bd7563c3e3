from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_TIMEOUT

from nvf import paths, tasks
from nvf.errors import CheckpointError, GateRefused, SweepError, TaskError, TrackingError, UsageError
from nvf.journal.events import Journal, read
from nvf.journal.kinds import Promoted
from nvf.journal.leaderboard import best_trial
from nvf.journal.replay import replay
from nvf.registry import versions
from nvf.registry.promote import promote
from nvf.registry.retriever import Retriever
from nvf.tracking import runs, server
from nvf.training import checkpoint
from tests.journal.written import write
from tests.registry.conftest import rewrite

RunSweep = Callable[..., Path]


def test_the_best_trial_becomes_the_champion_and_ranks_as_its_checkpoint(run_sweep: RunSweep) -> None:
    folder = run_sweep()
    done = promote("small", force="not confirmed")
    state = replay(read(folder))
    trial = best_trial(state)
    assert trial is not None
    record = trial.best(state.objectives[0])
    assert record is not None
    assert (done.trial, done.epoch, done.model, done.version, done.alias) == (
        trial.number,
        record.epoch,
        "small",
        1,
        "champion",
    )
    assert done.previous is None and done.figures == record.figures and set(done.floors) == set(state.floors)

    client = server.client()
    version = client.get_model_version_by_alias("small", "champion")
    served = mlflow.pyfunc.load_model(str(versions.fetch(client, version)))
    task = tasks.open_snapshot(tasks.build_snapshot(state.spec.task))
    system = checkpoint.restore_system(folder / trial.checkpoints[done.epoch].folder, task.corpus)
    queries = task.split("test").queries
    expected = system.rank(queries, 7)
    answers = served.predict(np.asarray(queries.vectors), params={"k": 7})
    assert answers["ids"].tolist() == [[task.corpus.ids[row] for row in rows] for rows in expected.rows.tolist()]
    assert answers["scores"].tolist() == expected.scores.tolist()


def test_files_are_uploaded_with_patience(run_sweep: RunSweep, monkeypatch: pytest.MonkeyPatch) -> None:
    run_sweep()
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    monkeypatch.setattr(server, "_OWN", [])
    seen = []
    upload = MlflowClient.log_artifacts

    def looked_at(client: MlflowClient, *args: Any) -> None:
        seen.append(MLFLOW_HTTP_REQUEST_TIMEOUT.get())
        upload(client, *args)

    monkeypatch.setattr(MlflowClient, "log_artifacts", looked_at)
    promote("small", trial=0, alias="candidate")
    assert seen and set(seen) == {versions.TIMEOUT}


def test_a_version_says_where_it_comes_from(run_sweep: RunSweep) -> None:
    folder = run_sweep()
    done = promote("small", trial=0, model="other", alias="candidate")
    client = server.client()
    state = replay(read(folder))
    shown = runs.find(client, server.experiment(client), state)
    version = client.get_model_version("other", "1")
    assert version.run_id == version.tags["nvf.run"] == shown[0].id
    assert version.tags["nvf.sweep"] == "small" and version.tags["nvf.trial"] == "0"
    assert version.tags["nvf.task_fingerprint"] == state.started.task.fingerprint
    assert float(version.tags["dev_cold/nDCG_at_10"]) == pytest.approx(done.figures["cold"]["nDCG@10"], abs=1e-6)
    floor = state.floors["raw"]["all"]["nDCG@10"]
    assert float(version.tags["floor_raw/nDCG_at_10"]) == pytest.approx(floor, abs=1e-6)
    last = Promoted(trial=0, model="other", version=1, alias="candidate", forced=None)
    assert replace(read(folder)[-1], n=-1, t=0.0) == last
    assert shown[0].tags["nvf.promoted"] == "other/1@candidate"


def test_a_second_promotion_moves_the_alias_and_names_the_previous_version(run_sweep: RunSweep) -> None:
    run_sweep()
    promote("small", trial=0, force="not confirmed")
    done = promote("small", trial=1, force="not confirmed")
    assert (done.version, done.previous) == (2, 1)
    assert server.client().get_model_version_by_alias("small", "champion").version in ("2", 2)


def test_cautions_say_what_is_not_proven(run_sweep: RunSweep) -> None:
    run_sweep(rates=(0.001,), epochs=1)
    found = promote("small", alias="candidate").cautions
    assert any(line.startswith("not confirmed on test") and "best of 1 on dev" in line for line in found)
    assert "one seed: another may give other figures" in found
    assert "trained without the 20% of the judged documents that the cold figure needs" in found


def test_a_loser_against_a_floor_is_called_one(run_sweep: RunSweep) -> None:
    """Without a hidden map the raw vectors already rank at the ceiling: training can only lose."""
    options = {"source": "synthetic", "documents": 200, "dim": 16, "train": 60, "dev": 50, "test": 50}
    run_sweep(options=options, rates=(0.1,), epochs=1, cold=0)
    found = promote("small", force="not confirmed").cautions
    assert any(line.startswith("does not beat the floor `raw` on dev by nDCG@10: 0.") for line in found)
    assert not any("trained without" in line for line in found)


def test_a_damaged_checkpoint_is_named_and_nothing_is_registered(run_sweep: RunSweep) -> None:
    folder = run_sweep()
    state = replay(read(folder))
    trial = best_trial(state)
    assert trial is not None
    record = trial.best(state.objectives[0])
    assert record is not None
    tensors = folder / trial.checkpoints[record.epoch].folder / "model.safetensors"
    content = bytearray(tensors.read_bytes())
    content[-1] ^= 1
    tensors.write_bytes(content)
    with pytest.raises(CheckpointError, match=str(tensors)):
        promote("small", force="not confirmed")
    shutil.rmtree(tensors.parent)
    with pytest.raises(CheckpointError, match=str(tensors.parent)):
        promote("small", force="not confirmed")
    assert list(server.client().search_model_versions()) == []


def test_a_checkpoint_that_was_exchanged_is_refused(run_sweep: RunSweep) -> None:
    folder = run_sweep()
    (one, other) = (folder / "checkpoints" / f"trial-{number:04d}" for number in (0, 1))
    shutil.rmtree(one)
    shutil.copytree(other, one)
    with pytest.raises(CheckpointError, match="not the file that was published"):
        promote("small", trial=0, force="not confirmed")


def test_a_model_that_ranks_otherwise_is_removed_again(run_sweep: RunSweep, monkeypatch: pytest.MonkeyPatch) -> None:
    run_sweep()
    opened = Retriever.open

    def damaged(folder: Path) -> Retriever:
        found = opened(folder)
        weights = next(iter(found.system.module().parameters()))  # type: ignore[union-attr]
        with torch.no_grad():
            weights.mul_(-1)
        return found

    monkeypatch.setattr(Retriever, "open", damaged)
    with pytest.raises(GateRefused, match="of 32 dev queries otherwise.*removed again"):
        promote("small", force="not confirmed")
    client = server.client()
    assert list(client.search_model_versions()) == []
    assert "champion" not in client.get_registered_model("small").aliases


def test_a_cleared_cache_is_made_again_and_a_changed_task_refused(
    run_sweep: RunSweep, lexicon: dict[str, str], mlruns: Path
) -> None:
    run_sweep(options=lexicon, rates=(0.001,), epochs=1, cold=0)
    shutil.rmtree(mlruns / "cache" / "tasks")
    assert promote("small", force="not confirmed").version == 1
    shutil.rmtree(mlruns / "cache" / "tasks")
    corpus = Path(lexicon["path"]) / "corpus.jsonl"
    corpus.write_text(corpus.read_text().replace("cats", "dogs"))
    with pytest.raises(TaskError, match="has changed since sweep 'small' searched it"):
        promote("small", force="not confirmed")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": "smal"}, SweepError, "no sweep 'smal'.*did you mean 'small'"),
        ({"name": "small", "trial": 9}, SweepError, "no trial 9; its trials: 0"),
        ({"name": "small", "model": "a/b"}, UsageError, "'a/b' is no name for a model"),
        ({"name": "small", "alias": "latest"}, UsageError, "'latest' is no name for an alias"),
    ],
)
def test_bad_arguments(run_sweep: RunSweep, arguments: dict, error: type, message: str) -> None:  # type: ignore[type-arg]
    run_sweep(rates=(0.001,), epochs=0)
    with pytest.raises(error, match=message):
        promote(**arguments)


def test_a_sweep_without_trials_has_nothing_to_promote(run_sweep: RunSweep) -> None:
    run_sweep(rates=())
    with pytest.raises(SweepError, match="no trial of sweep 'small' has both a figure and a checkpoint"):
        promote("small")


def test_a_trial_whose_checkpoint_was_deleted_can_be_trained_again(run_sweep: RunSweep) -> None:
    journal, _ = Journal.open(run_sweep())
    with journal:
        write(journal, "checkpoints_deleted", trial=0)
    with pytest.raises(SweepError, match="only the best trials keep theirs .* nvf confirm small --trial 0 trains it"):
        promote("small", trial=0, force="not confirmed")


def test_a_server_that_is_down_is_named(run_sweep: RunSweep, monkeypatch: pytest.MonkeyPatch) -> None:
    run_sweep(rates=(0.001,), epochs=0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(TrackingError, match="http://127.0.0.1:9 does not answer"):
        promote("small", force="not confirmed")


def test_a_running_sweep_can_be_promoted_from(run_sweep: RunSweep) -> None:
    """Its driver holds the journal, so the promotion stands in the registry alone."""
    folder = run_sweep()
    promote("small", force="not confirmed")
    journal, events = Journal.open(folder)
    with journal:
        assert promote("small", force="not confirmed").version == 2
    assert read(folder) == events
    assert paths.sweep("small") == folder


def test_what_was_not_confirmed_becomes_no_champion(run_sweep: RunSweep) -> None:
    folder = run_sweep()
    with pytest.raises(GateRefused) as refused:
        promote("small", trial=1, model="other")
    assert refused.value.exit_code == 3
    assert str(refused.value).splitlines() == [
        "trial 0001 of small becomes no champion: it was not confirmed on test",
        "confirm  nvf confirm small",
        "more     nvf resume small --trials 4",
        "beside   nvf promote small --trial 1 --model other --alias candidate",
        "force    nvf promote small --trial 1 --model other --force 'why'",
    ]
    assert list(server.client().search_registered_models()) == []
    assert "promoted" not in [event.kind for event in read(folder)]


def test_a_sweep_that_loses_is_told_what_to_try_and_not_to_confirm(run_sweep: RunSweep) -> None:
    options = {"source": "synthetic", "documents": 200, "dim": 16, "train": 60, "dev": 50, "test": 50}
    run_sweep(options=options, rates=(0.1,), epochs=1, cold=0)
    with pytest.raises(GateRefused) as refused:
        promote("small")
    said = str(refused.value)
    assert "nothing to confirm or promote yet: no trial beats the floor raw on dev" in said
    assert "nvf confirm" not in said and "nvf resume small --trials" in said


def test_a_sweep_file_may_ask_for_a_confirmation_under_every_alias(run_sweep: RunSweep) -> None:
    folder = run_sweep()
    rewrite(folder, lambda event: event.get("spec", {}).update(gates={"confirmed": True}))
    with pytest.raises(GateRefused) as refused:
        promote("small", alias="candidate")
    assert "--alias candidate --force 'why'" in str(refused.value) and "beside" not in str(refused.value)
