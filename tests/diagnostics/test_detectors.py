"""Each pathology by real training: named by the third record where it is, never named where all is well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nvf import systems, tasks
from nvf.journal import events, replay
from nvf.journal.leaderboard import leaderboard
from nvf.spec.form import Spec
from nvf.sweep.conductor import Conductor, Place
from nvf.sweep.study import SearchStudy
from nvf.sweep.worker import Worker
from nvf.systems.catalogue import diagnoses
from nvf.testing import inspected
from nvf.training.floors import measure_floors
from nvf.training.loop import Training
from tests.journal.written import write

EPOCHS = 2
"""Epochs 0, 1 and 2 are three records."""

VECTORS: dict[str, Any] = {
    "source": "synthetic",
    "documents": 300,
    "dim": 32,
    "map": "anisotropic",
    "noise": 0.15,
    "train": 1500,
    "dev": 200,
    "test": 10,
}
PLAIN = {**VECTORS, "map": "none", "train": 200}
"""Without a hidden map raw vectors are the Bayes decision: training can only lose."""
WINDOWS: dict[str, Any] = {"source": "walks", "documents": 1000, "dim": 16, "train": 3000, "dev": 200, "test": 10}
FEW = {**WINDOWS, "documents": 40, "noise": 1.2}
"""24 documents end all training walks, and can be learned by heart."""
GRU = {"backbone.kind": "gru", "backbone.d_model": 64, "backbone.layers": 1, "batch_size": 64}
AR = {**GRU, "lambda_infonce": 0.0, "lambda_ar": 1.0, "projection": "none", "lr": 0.005}
RERANK = {f"lvm.{name}": value for name, value in GRU.items()} | {"first": "raw", "depth": 20}
LEARNS = {**RERANK, "lvm.residual": True, "lvm.lambda_infonce": 1.0, "lvm.projection": "none", "lvm.lr": 0.003}

Case = tuple[dict[str, Any], str, dict[str, Any]]
ILL: dict[str, Case] = {
    "residual_collapse": (VECTORS, "respred", {"lambda_residual": 100.0, "batch_size": 16, "lr": 0.005}),
    "embedding_collapse": (VECTORS, "respred", {"lambda_isotropy": 0.0, "batch_size": 16, "lr": 0.006}),
    "memorisation": (FEW, "lvm", AR),
    "harmful_reranker": ({**WINDOWS, "turn": 0.1}, "lvm_rerank", {**RERANK, "lvm.lr": 0.0001}),
    "buries_new_documents": (VECTORS, "memory", {"diffusion": False, "weight": 0.3}),
    "loss_misleads": ({**VECTORS, "dim": 16}, "respred", {"lambda_isotropy": 0.0, "batch_size": 16, "lr": 0.006}),
}
WELL: dict[str, Case] = {
    "residual_collapse": (VECTORS, "respred", {"lambda_residual": 0.0, "alpha": 1.0, "batch_size": 32, "lr": 0.003}),
    "embedding_collapse": (VECTORS, "jepa", {"batch_size": 32, "lr": 0.003}),
    "split_objective": (WINDOWS, "lvm", {**GRU, "lr": 0.003}),
    "memorisation": ({**WINDOWS, "noise": 0.2}, "lvm", {**AR, "residual": True}),
    "harmful_reranker": ({**WINDOWS, "turn": 1.0, "noise": 0.15}, "lvm_rerank", LEARNS),
    "buries_new_documents": (VECTORS, "linear", {}),
    "loss_misleads": (VECTORS, "linear", {}),
}
"""Nothing is wrong with these but, in one, that the untrained second stage does harm at epoch 0."""


def spec(case: Case, **keys: Any) -> Spec:
    """Return a sweep of one trial of three records."""
    task, system, params = case
    plain = {"name": "one", "task": task, "system": system, "fixed": params, "search": {"trials": 1}}
    return Spec.model_validate({**plain, "budget": {"epochs": EPOCHS}, **keys})


def names(state: replay.SweepState) -> set[str]:
    """Return what was named in any record after training began, or in the leaderboard."""
    (trial,) = state.trials.values()
    trained = [record for record in trial.records if record.epoch > 0] or trial.records
    return {each.name for record in trained for each in record.diagnoses} | set(leaderboard(state).trials[0].diagnoses)


@pytest.mark.parametrize("name", ILL)
def test_it_is_named_by_the_third_record(name: str, mlruns: Path, tmp_path: Path) -> None:
    state = run(tmp_path / "sweep", spec(ILL[name]))
    assert name in names(state) <= set(diagnoses())
    assert len(state.trials[0].records) <= 3


@pytest.mark.parametrize("name", WELL)
def test_it_is_not_named_where_all_is_well(name: str, mlruns: Path, tmp_path: Path) -> None:
    state = run(tmp_path / "sweep", spec(WELL[name]))
    assert state.trials[0].outcome == "complete"
    assert name not in names(state)


@pytest.mark.parametrize(("case", "beats"), [((PLAIN, "linear", {"lr": 0.1}), False), (WELL["loss_misleads"], True)])
def test_a_trial_under_a_floor_has_no_diagnosis_for_it(case: Case, beats: bool, mlruns: Path, tmp_path: Path) -> None:
    state = run(tmp_path / "sweep", spec(case))
    (row,) = leaderboard(state).trials
    assert row.beats_floors is beats and row.beats_floors == (row.value > max(leaderboard(state).floors.values()))
    assert not row.diagnoses


def test_what_is_watched_is_logged_while_all_is_well(mlruns: Path, tmp_path: Path) -> None:
    state = run(tmp_path / "sweep", spec(WELL["residual_collapse"]))
    for record in state.trials[0].records:
        assert {"residual_mean", "residual_max", "residual_share", "alpha", "query_rank", "document_cosine"} <= set(
            record.statistics
        )
        assert set(record.held_out) == {"isotropy", "predictive"}
    losses = [sum(record.held_out.values()) for record in state.trials[0].records]
    assert losses[2] < losses[0]


def test_watching_changes_nothing(mlruns: Path) -> None:
    """Held-out losses and statistics draw from no random state and leave no gradient."""
    task = tasks.build(VECTORS)
    for name, params in (("jepa", {"isotropy": "sigreg"}), ("linear", {"dropout": 0.3}), ("respred", {})):
        watched, alone = (
            Training(systems.create(name, params, task.corpus), task, seed=0, epochs=1, measures=["R@5"])
            for _ in range(2)
        )
        for training in (watched, alone):
            training.start()
        split = task.split("dev")
        first = watched.system.held_out_losses(split)
        inspected(watched.system, split)
        assert watched.system.held_out_losses(split) == first
        assert watched.epoch(1).losses == alone.epoch(1).losses


def test_a_trial_is_stopped_by_what_the_sweep_names(mlruns: Path, tmp_path: Path) -> None:
    stopping = {"stop": ["embedding_collapse"], "budget": {"epochs": 10}}
    state = run(tmp_path / "sweep", spec(ILL["embedding_collapse"], **stopping))
    trial = state.trials[0]
    assert (trial.outcome, trial.error) == ("stopped", "diagnosed: embedding_collapse")
    assert 1 <= trial.epoch < 10
    assert replay.replay(events.read(tmp_path / "sweep")).trials[0].outcome == "stopped"
    assert run(tmp_path / "well", spec(WELL["embedding_collapse"], stop=["embedding_collapse"])).finished == 1


def run(folder: Path, spec: Spec) -> replay.SweepState:
    """Run a sweep as a driver does, with a real worker but without Ray; return it as journaled."""
    snapshot = tasks.build_snapshot(spec.task)
    opened = tasks.open_snapshot(snapshot).withhold(spec.cold, spec.search.seed)
    floors = measure_floors(opened, "dev", spec.measures())
    with events.Journal.create(folder) as journal:
        about = {"name": "one", "fingerprint": "f", "queries": {"dev": floors.queries}, "leaks": [], "notes": []}
        plain = spec.model_dump(mode="json")
        objectives = [str(each) for each in spec.objectives]
        started = write(journal, "sweep_started", sweep="one", spec=plain, objectives=objectives, task=about)
        state = replay.replay([started])
        replay.apply(state, write(journal, "floors", split="dev", floors=floors.floors, ceilings=floors.ceilings))
        study = SearchStudy(spec, state)
        conductor = Conductor(spec, state, journal, study, Place(snapshot, folder / "checkpoints"))
        while (order := conductor.next_order()) is not None:
            worker = Worker(order)
            while conductor.on_report(worker.step()):
                pass
        conductor.close()
    return state
