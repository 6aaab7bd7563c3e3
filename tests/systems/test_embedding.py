"""What all systems of trained heads share, shown on `jepa`: ranking, weights of 0, the embedded corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from nvf import tasks
from nvf.errors import ParamsError
from nvf.systems import create
from nvf.systems.embedding import Embedding
from nvf.tasks.base import Task
from nvf.training import checkpoint
from nvf.training.loop import Training


@pytest.fixture(scope="module")
def task() -> Task:
    options = {"source": "synthetic", "documents": 60, "dim": 12, "noise": 0.15, "map": "anisotropic"}
    return tasks.build({**options, "train": 257, "dev": 40, "test": 10})


def prepared(task: Task, name: str = "jepa", **params: Any) -> Embedding:
    system = create(name, params, task.corpus)
    assert isinstance(system, Embedding)
    system.prepare(task, seed=0)
    return system


def step(system: Embedding, epoch: int = 1) -> None:
    optimiser = torch.optim.Adam(system.parameter_groups())
    for batch in system.batches(epoch):
        optimiser.zero_grad()
        torch.stack([*system.losses(batch).values()]).sum().backward()
        optimiser.step()
        system.after_step()


@pytest.mark.parametrize("formulation", ["l2", "n01"])
@pytest.mark.parametrize("out", [None, 7])
def test_the_nearest_answer(task: Task, formulation: str, out: int | None) -> None:
    system = prepared(task, formulation=formulation, out=out)
    step(system)
    queries = task.split("dev").queries
    found = system.rank(queries, 60)
    head = system.module()["head"].eval()  # type: ignore[index]
    with torch.no_grad():
        asked, documents = (
            head(functional.normalize(torch.tensor(np.array(vectors))))
            for vectors in (queries.vectors, task.corpus.vectors)
        )
    distances = torch.cdist(asked.double(), documents.double())
    assert torch.equal(found.rows, distances.argsort(dim=1))
    if formulation == "l2":
        cosines = functional.cosine_similarity(asked[:, None], documents, dim=2).sort(dim=1, descending=True).values
        assert torch.allclose(found.scores, cosines, atol=1e-5)


def test_a_part_of_weight_0_is_not_computed(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    system = prepared(task, lambda_isotropy=0)
    monkeypatch.setattr("nvf.systems.jepa.isotropy", None)
    (losses,) = [system.losses(batch) for batch in system.batches(1)][:1]
    assert set(losses) == {"predictive"}


def test_weights_of_0_throughout_are_refused(task: Task) -> None:
    with pytest.raises(ParamsError, match="nothing to train jepa on: lambda_isotropy, lambda_contrastive, .* = 0"):
        create("jepa", {"lambda_isotropy": 0, "lambda_predictive": 0}, task.corpus)


def test_a_weight_scales_its_part(task: Task) -> None:
    def losses(weight: float) -> dict[str, float]:
        system = prepared(task, lambda_isotropy=weight, dropout=0.0)
        batch = next(iter(system.batches(1)))
        return {name: value.item() for name, value in system.losses(batch).items()}

    assert losses(3.0)["isotropy"] == pytest.approx(2 * losses(1.5)["isotropy"])
    assert losses(3.0)["predictive"] == losses(1.5)["predictive"]


def test_a_step_is_seen_by_the_next_ranking(task: Task) -> None:
    system = prepared(task, lr=0.05)
    queries = task.split("dev").queries
    before = system.rank(queries, 60)
    step(system)
    assert not torch.equal(system.rank(queries, 60).rows, before.rows)
    fresh = create("jepa", {}, task.corpus)
    fresh.rank(queries, 5)
    fresh.load_state(system.state())
    assert torch.equal(system.rank(queries, 60).scores, fresh.rank(queries, 60).scores)


@pytest.mark.parametrize("isotropy", ["covariance", "sigreg"])
@pytest.mark.parametrize("batch_size", [1, 256])
def test_a_query_alone_in_its_batch_is_no_trouble(task: Task, isotropy: str, batch_size: int) -> None:
    system = prepared(task, batch_size=batch_size, isotropy=isotropy)
    assert min(len(batch) for batch in system.batches(1)) == 1
    step(system)
    assert system.rank(task.split("dev").queries, 5).scores.isfinite().all()


def test_slices_come_from_seed_and_epoch(task: Task) -> None:
    def loss(epoch: int) -> float:
        system = prepared(task, isotropy="sigreg", sigreg_slices=4, dropout=0.0)
        first = next(iter(task_batches := system.batches(epoch)))
        task_batches.close()  # type: ignore[attr-defined]
        return system.losses(first)["isotropy"].item()

    assert loss(1) == loss(1) != loss(2)


@pytest.mark.parametrize("formulation", ["l2", "n01"])
def test_the_contrastive_part_learns_what_the_query_lost(task: Task, formulation: str) -> None:
    params = {"lambda_contrastive": 1.0, "lambda_isotropy": 0.1, "lr": 3e-3, "formulation": formulation}
    training = Training(create("jepa", params, task.corpus), task, seed=0, epochs=6, measures=["RR@10"])
    start = training.start().figures["all"]["RR@10"]
    records = [training.epoch(number) for number in range(1, 7)]
    assert records[-1].figures["all"]["RR@10"] > start + 0.05
    assert not any(record.diagnoses for record in records)


@pytest.mark.parametrize("name", ["projection", "jepa", "respred", "asymmetric"])
def test_a_continued_trial_equals_an_undisturbed_one(task: Task, name: str, tmp_path: Path) -> None:
    params: dict[str, Any] = {"isotropy": "sigreg"}
    if name == "asymmetric":
        params |= {"lambda_predictive": 1.2, "lambda_isotropy": 1.5, "ema": 0.9}

    def training() -> Training:
        return Training(create(name, params, task.corpus), task, seed=3, epochs=3, measures=["RR@10"])

    whole = training()
    records = [whole.start(), *(whole.epoch(number) for number in (1, 2, 3))]
    first, second = training(), training()
    first.start()
    checkpoint.save(tmp_path / "one", first, first.epoch(1))
    checkpoint.resume(tmp_path / "one", second)
    for number in (2, 3):
        again = second.epoch(number)
        assert (again.losses, again.figures) == (records[number].losses, records[number].figures)
    state = whole.system.state()
    assert all(torch.equal(value, state[key]) for key, value in second.system.state().items())


@pytest.mark.parametrize(
    ("name", "own", "epochs"), [("jepa", 3, 3), ("jepa", 9, 7), ("linear", 3, 3), ("linear", None, 7)]
)
def test_epochs_of_its_own_end_it_before_the_budget(task: Task, name: str, own: int | None, epochs: int) -> None:
    assert create(name, {"epochs": own}, task.corpus).epochs(7) == epochs
