"""respred: the prediction ranks, and the penalty empties it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nvf import tasks
from nvf.losses.residual import residual
from nvf.systems import create
from nvf.systems.respred import Respred
from nvf.tasks.base import Task
from nvf.training.loop import Training
from nvf.training.record import Record


@pytest.fixture(scope="module")
def task() -> Task:
    options = {"source": "synthetic", "documents": 60, "dim": 32, "noise": 0.1, "map": "rotation"}
    return tasks.build({**options, "train": 800, "dev": 40, "test": 10})


def prepared(task: Task, **params: Any) -> Respred:
    system = create("respred", params, task.corpus)
    assert isinstance(system, Respred)
    system.prepare(task, seed=0)
    return system


def records(task: Task, **params: Any) -> list[Record]:
    training = Training(create("respred", params, task.corpus), task, seed=0, epochs=3, measures=["RR@10"])
    return [training.start(), *(training.epoch(number) for number in (1, 2, 3))]


def names(record: Record) -> set[str]:
    return {diagnosis.name for diagnosis in record.diagnoses}


def test_the_penalty_collapses_the_residual_and_is_named_by_the_third_record(task: Task) -> None:
    found = records(task, lambda_residual=1.0, lr=3e-3)
    assert "residual_collapse" not in names(found[0]), "untrained, the correction is some percent"
    assert "residual_collapse" in names(found[2])
    (diagnosis,) = (each for each in found[2].diagnoses if each.name == "residual_collapse")
    assert diagnosis.figure < diagnosis.threshold == 0.01 and "alpha is" in diagnosis.text


def test_without_the_penalty_there_is_a_residual(task: Task) -> None:
    found = records(task, lambda_residual=0)
    assert all("residual" not in record.losses for record in found)
    assert not any(names(record) for record in found)


def test_an_empty_correction_leaves_the_query_where_the_head_puts_it(task: Task) -> None:
    system = prepared(task)
    queries = task.split("dev").queries
    before = system.rank(queries, 60)
    state = system.state()
    state["correction.alpha"] = torch.tensor(0.0)
    system.load_state(state)
    plain = system.rank(queries, 60)
    jepa = create("jepa", {}, task.corpus)
    jepa.prepare(task, seed=0)
    jepa.load_state({**jepa.state(), **{name: value for name, value in state.items() if name.startswith("head.")}})
    assert torch.equal(plain.rows, jepa.rank(queries, 60).rows)
    assert not torch.equal(plain.scores, before.scores)


@pytest.mark.parametrize("formulation", ["l2", "n01"])
def test_the_correction_is_alpha_times_delta_at_length_1(task: Task, formulation: str) -> None:
    system = prepared(task, formulation=formulation, alpha=0.3)
    vectors = torch.nn.functional.normalize(torch.randn(5, 32))
    heads = system.module().eval()
    with torch.no_grad():
        unit = heads["head"](vectors) / 32**0.5  # type: ignore[index]
        moved = unit + 0.3 * heads["correction"].mlp(unit).tanh()  # type: ignore[index]
        expected = moved if formulation == "n01" else torch.nn.functional.normalize(moved)
        assert torch.allclose(system._query(vectors), 32**0.5 * expected, atol=1e-5)


def test_alpha_is_learned(task: Task) -> None:
    system = prepared(task)
    torch.stack([*system.losses(next(iter(system.batches(1)))).values()]).sum().backward()
    assert system.module().get_parameter("correction.alpha").grad != 0


def test_the_penalty_is_on_the_scale_of_the_embeddings(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    system, seen = prepared(task, lambda_residual=2.0), []
    monkeypatch.setattr("nvf.systems.respred.residual", lambda deltas: seen.append(deltas) or residual(deltas))
    loss = system.losses(next(iter(system.batches(1))))["residual"]
    assert loss.item() == pytest.approx(2 * residual(seen[0]).item())
    assert seen[0].abs().max() <= 32**0.5
