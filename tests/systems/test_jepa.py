"""jepa: the target follows slowly, takes no gradient, and does not rank."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from nvf import tasks
from nvf.systems import create
from nvf.systems.head import EPSILON
from nvf.systems.jepa import Jepa
from nvf.tasks.base import Task
from nvf.training.loop import Training


@pytest.fixture(scope="module")
def task() -> Task:
    options = {"source": "synthetic", "documents": 40, "dim": 8, "noise": 0.1, "map": "anisotropic"}
    return tasks.build({**options, "train": 64, "dev": 20, "test": 10})


def after_one_step(task: Task, ema: float) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    system = create("jepa", {"ema": ema, "lr": 0.01}, task.corpus)
    system.prepare(task, seed=0)
    before = system.state()
    optimiser = torch.optim.Adam(system.parameter_groups())
    torch.stack([*system.losses(next(iter(system.batches(1)))).values()]).sum().backward()
    optimiser.step()
    system.after_step()
    return before, system.state()


def of(state: dict[str, torch.Tensor], start: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}


def test_the_target_starts_as_the_head_and_follows_by_its_share(task: Task) -> None:
    before, after = after_one_step(task, 0.9)
    for name, slow in of(after, "target.mlp.").items():
        start, fast = before[f"head.mlp.{name}"], after[f"head.mlp.{name}"]
        assert torch.equal(start, before[f"target.mlp.{name}"])
        assert not torch.equal(start, fast)
        assert torch.allclose(slow, 0.9 * start + 0.1 * fast, atol=1e-6)


def test_the_ends_of_the_average(task: Task) -> None:
    before, after = after_one_step(task, 1.0)
    assert all(torch.equal(value, before[f"target.mlp.{name}"]) for name, value in of(after, "target.mlp.").items())
    after = after_one_step(task, 0.0)[1]
    assert all(torch.equal(value, after[f"head.mlp.{name}"]) for name, value in of(after, "target.mlp.").items())


def test_the_target_takes_no_gradient(task: Task) -> None:
    system = create("jepa", {}, task.corpus)
    assert isinstance(system, Jepa)
    system.prepare(task, seed=0)
    system.losses(next(iter(system.batches(1))))["predictive"].backward()
    gradients = {name: parameter.grad for name, parameter in system.module().named_parameters()}
    assert all((value is None) == name.startswith("target.") for name, value in gradients.items())


@pytest.mark.parametrize("formulation", ["l2", "n01"])
def test_the_held_out_prediction_is_of_a_standardised_target(task: Task, formulation: str) -> None:
    system = create("jepa", {"ema": 0.9, "lr": 0.01, "lambda_predictive": 1.0, "formulation": formulation}, task.corpus)
    Training(system, task, seed=0, epochs=1, measures=["RR@10"]).start()
    optimiser = torch.optim.Adam(system.parameter_groups())
    for batch in system.batches(1):
        torch.stack([*system.losses(batch).values()]).sum().backward()
        optimiser.step()
        system.after_step()

    dev = task.split("dev")
    heads = system.module().double().eval()  # type: ignore[union-attr]
    asked, found, training = (
        functional.normalize(torch.tensor(vectors).double())
        for vectors in (dev.queries.vectors, task.corpus.vectors[dev.qrels.rows], task.train.queries.vectors)
    )
    known = torch.cat([training, functional.normalize(torch.tensor(task.corpus.vectors).double())])

    def embedded(name: str, vectors: torch.Tensor) -> torch.Tensor:
        seen, given = heads[name].mlp(known), heads[name].mlp(vectors)  # type: ignore[index]
        standard = (given - seen.mean(0)) / (seen.var(0) + EPSILON).sqrt()
        return 8**0.5 * functional.normalize(standard) if formulation == "l2" else standard

    with torch.no_grad():
        errors = heads["predictor"](embedded("head", asked)) - embedded("target", found)  # type: ignore[index]
    heads.float()
    assert system.held_out_losses(dev)["predictive"] == pytest.approx(errors.square().mean().item(), rel=1e-4)


def test_target_and_predictor_do_not_rank(task: Task) -> None:
    system = create("jepa", {}, task.corpus)
    system.prepare(task, seed=0)
    state = system.state()
    other = create("jepa", {}, task.corpus)
    other.load_state({name: value if name.startswith("head.") else -value for name, value in state.items()})
    queries = task.split("dev").queries
    assert torch.equal(system.rank(queries, 9).scores, other.rank(queries, 9).scores)


def test_the_defaults_are_the_published_point(task: Task) -> None:
    params = create("jepa", {}, task.corpus).params
    weights = (params.lambda_isotropy, params.lambda_predictive, params.lambda_contrastive)
    assert weights == (1.5, 1.2, 0) and params.isotropy == "covariance" and params.formulation == "l2"
    assert (params.ema, params.lr, params.batch_size, params.out) == (0.999, 5e-4, 16, None)


@pytest.mark.parametrize("weight", [0.0, 1.5])
def test_without_isotropy_it_collapses_and_is_named_by_the_third_record(weight: float) -> None:
    options = {"source": "synthetic", "corpus": "clustered", "documents": 200, "dim": 32, "noise": 0.3}
    task = tasks.build({**options, "train": 800, "dev": 40, "test": 10})
    system = create("jepa", {"lambda_isotropy": weight, "lr": 3e-3, "ema": 0.9}, task.corpus)
    training = Training(system, task, seed=0, epochs=2, measures=["RR@10"])
    records = [training.start(), training.epoch(1), training.epoch(2)]
    assert not records[0].diagnoses
    names = {diagnosis.name for diagnosis in records[2].diagnoses}
    change = records[2].figures["all"]["RR@10"] - records[0].figures["all"]["RR@10"]
    assert names == (set() if weight else {"embedding_collapse"})
    assert (change > 0) == (weight > 0)
