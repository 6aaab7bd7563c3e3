"""asymmetric: two heads that share nothing; contrastive alone, or with a predictor."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from nvf import tasks
from nvf.losses.covariance import covariance
from nvf.systems import create
from nvf.systems.asymmetric import Asymmetric
from nvf.tasks.base import Task
from nvf.testing import inspected
from nvf.training.loop import Training


@pytest.fixture(scope="module")
def task() -> Task:
    options = {"source": "synthetic", "documents": 60, "dim": 12, "noise": 0.1, "map": "rotation"}
    return tasks.build({**options, "train": 800, "dev": 40, "test": 10})


def losses(task: Task, **params: Any) -> tuple[Asymmetric, dict[str, torch.Tensor]]:
    system = create("asymmetric", params, task.corpus)
    assert isinstance(system, Asymmetric)
    system.prepare(task, seed=0)
    return system, system.losses(next(iter(system.batches(1))))


def test_the_published_point_is_contrastive_only(task: Task) -> None:
    system, parts = losses(task)
    assert set(parts) == {"contrastive"}
    parts["contrastive"].backward()
    gradients = {name.split(".")[0]: p.grad is not None for name, p in system.module().named_parameters()}
    assert gradients == {"query": True, "document": True, "predictor": False}


def test_a_predictor_where_it_has_a_weight(task: Task) -> None:
    system, parts = losses(task, lambda_contrastive=0, lambda_predictive=1.2)
    assert set(parts) == {"predictive"}
    parts["predictive"].backward()
    gradients = {name.split(".")[0]: p.grad is not None for name, p in system.module().named_parameters()}
    assert gradients == {"query": True, "document": False, "predictor": True}, "the target is stopped"


REMEDY = {"lambda_predictive": 1.2, "lambda_isotropy": 1.5, "ema": 0.9}


def test_the_whole_remedy(task: Task) -> None:
    system, parts = losses(task, **REMEDY)
    assert set(parts) == {"contrastive", "predictive", "isotropy"}
    torch.stack([*parts.values()]).sum().backward()
    gradients = {name.split(".")[0]: p.grad is not None for name, p in system.module().named_parameters()}
    assert gradients == {"query": True, "document": True, "predictor": True, "target": False}


def test_both_clouds_are_asked_to_be_round(task: Task) -> None:
    system, parts = losses(task, lambda_contrastive=0, lambda_isotropy=1.0, dropout=0.0)
    parts["isotropy"].backward()
    gradients = {name.split(".")[0]: p.grad is not None for name, p in system.module().named_parameters()}
    assert gradients == {"query": True, "document": True, "predictor": False}
    batch = next(iter(system.batches(1)))
    clouds = batch.queries, torch.tensor(task.corpus.vectors)[batch.positives.unique()]
    with torch.no_grad():
        sides = [
            covariance(system.module()[name].train()(functional.normalize(cloud)))  # type: ignore[index]
            for name, cloud in zip(("query", "document"), clouds, strict=True)
        ]
    assert parts["isotropy"].item() == pytest.approx(sum(sides).item() / 2, rel=1e-5)


def test_the_target_follows_the_document_head_and_is_standardised_like_it(task: Task) -> None:
    system, parts = losses(task, **REMEDY, lr=0.01)
    before = system.state()
    optimiser = torch.optim.Adam(system.parameter_groups())
    torch.stack([*parts.values()]).sum().backward()
    optimiser.step()
    system.after_step()
    after = system.state()
    for name in ("0.weight", "3.bias"):
        fast, slow = after[f"document.mlp.{name}"], after[f"target.mlp.{name}"]
        assert torch.equal(before[f"target.mlp.{name}"], before[f"document.mlp.{name}"])
        assert torch.allclose(slow, 0.9 * before[f"document.mlp.{name}"] + 0.1 * fast, atol=1e-6)
    list(system.batches(1))
    heads = system.module().eval()
    with torch.no_grad():
        seen = heads["target"](functional.normalize(torch.tensor(task.corpus.vectors)))  # type: ignore[index]
    assert torch.allclose(seen.mean(0), torch.zeros(12), atol=0.2) and seen.square().mean() == pytest.approx(1, abs=0.1)


def test_a_checkpoint_from_before_the_target_loads(task: Task) -> None:
    """Its tensors are those of an `ema` of 0, the default."""
    state = losses(task)[0].state()
    assert not any(name.startswith("target.") for name in state)
    create("asymmetric", {}, task.corpus).load_state(state)


def test_the_heads_differ_from_the_start(task: Task) -> None:
    state = losses(task)[0].state()
    assert not torch.equal(state["query.mlp.0.weight"], state["document.mlp.0.weight"])


@pytest.mark.parametrize("params", [{}, {"lambda_predictive": 1.2}, REMEDY, {"formulation": "n01"}])
def test_it_learns_a_hidden_rotation_and_keeps_its_spread(task: Task, params: dict[str, Any]) -> None:
    system = create("asymmetric", {"lr": 3e-3, **params}, task.corpus)
    training = Training(system, task, seed=0, epochs=4, measures=["RR@10"])
    start = training.start().figures["all"]["RR@10"]
    records = [training.epoch(number) for number in range(1, 5)]
    assert records[-1].figures["all"]["RR@10"] > start + 0.3
    assert not any(record.diagnoses for record in records)


@pytest.mark.parametrize("side", ["query", "document"])
def test_either_side_may_collapse(task: Task, side: str) -> None:
    system = losses(task)[0]
    state = system.state()
    assert not inspected(system, task.split("dev")).diagnoses
    state[f"{side}.standardise.mean"] -= 100 * state[f"{side}.standardise.variance"].sqrt()
    system.load_state(state)
    (found,) = inspected(system, task.split("dev")).diagnoses
    assert (
        found.name == "embedding_collapse" and f"the {side} embeddings" in found.text and "all are alike" in found.text
    )
