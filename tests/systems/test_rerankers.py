"""Which reranker is kept: the gate and patience by hand, without training one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nvf import tasks
from nvf.params import make
from nvf.systems import create
from nvf.systems.rerankers import Judged, Params, Reranker, hold_out
from nvf.systems.two_stage import TwoStage, standard_error
from nvf.tasks.base import Task

PUBLISHED = {"prior": False, "view": False, "sees": "raw", "initial": "default", "gated": False}
KINDS = ["concatenation", "difference", "cross_attention", "bilinear"]


def test_only_what_is_better_than_all_before_is_better() -> None:
    judged = Judged()
    assert [judged.better(score) for score in (0, 0, 3, 3, 2, 4)] == [True, False, True, False, False, True]
    assert (float(judged.to_beat), int(judged.stale)) == (4, 0)
    assert not judged.better(torch.tensor(4.0)) and not judged.better(1.5)
    assert (float(judged.to_beat), int(judged.stale)) == (4, 2)
    judged.await_more_than(2)
    assert (float(judged.to_beat), int(judged.stale)) == (2, 0)


@pytest.mark.parametrize(
    ("rows", "share", "held"), [(10, 0.25, 2), (10, 0.01, 1), (2, 0.5, 1), (3, 0.5, 2), (1, 0.5, 0)]
)
def test_a_share_is_held_out_and_at_least_one_where_there_are_two(rows: int, share: float, held: int) -> None:
    at = np.arange(rows) * 3
    fit, held_out = hold_out(at, share, 0)
    assert len(held_out) == held
    assert sorted([*fit, *held_out]) == at.tolist()
    assert [*fit] == sorted(fit) and [*held_out] == sorted(held_out)
    again, other = hold_out(at, share, 0), hold_out(np.arange(60), share, 1)
    assert [*again[1]] == [*held_out] and [*other[1]] != [*hold_out(np.arange(60), share, 0)[1]]


@pytest.mark.parametrize(
    ("right", "queries", "error"), [(50, 100, 5.0), (90, 100, 3.0), (0, 9, 0.0), (9, 9, 0.0), (0, 0, 0.0)]
)
def test_the_standard_error_of_a_count(right: int, queries: int, error: float) -> None:
    """That of a binomial: sqrt(n p (1 - p))."""
    assert float(standard_error(torch.tensor(float(right)), queries)) == pytest.approx(error)


@pytest.mark.parametrize("kind", KINDS)
def test_an_untrained_reranker_gives_stage_ones_logits(kind: str) -> None:
    reranker = Reranker(make(Params, {"kind": kind}), 6)
    query, candidates = torch.randn(3, 6), torch.randn(3, 4, 6)
    scores = reranker(query, torch.randn(3, 6), candidates, torch.tensor(0.5))
    assert torch.allclose(scores, 2 * torch.einsum("bd,bkd->bk", query, candidates), atol=1e-5)


@pytest.mark.parametrize("sees", ["raw", "transformed"])
@pytest.mark.parametrize("kind", ["concatenation", "difference"])
def test_the_published_reranker_is_its_mlp_and_nothing_else(kind: str, sees: str) -> None:
    """Seed 000's code, with its weights, on its inputs: [q, c(, q - c, q * c)] -> hidden -> hidden / 2 -> 1."""
    reranker = Reranker(make(Params, {**PUBLISHED, "kind": kind, "sees": sees}), 6).eval()
    width = {"concatenation": 12, "difference": 24}[kind]
    theirs = torch.nn.Sequential(
        torch.nn.Linear(width, 128), torch.nn.ReLU(), torch.nn.Linear(128, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1)
    )
    assert [tuple(each.shape) for each in reranker.parameters()] == [tuple(each.shape) for each in theirs.parameters()]
    for ours, copied in zip(reranker.parameters(), theirs.parameters(), strict=True):
        assert (ours != 0).all(), "drawn"
        copied.data.copy_(ours.data)
    transformed, raw, candidates = torch.randn(3, 6), torch.randn(3, 6), torch.randn(3, 4, 6)
    q = {"raw": raw, "transformed": transformed}[sees].unsqueeze(1).expand(-1, 4, -1)
    features = [q, candidates] + ([q - candidates, q * candidates] if kind == "difference" else [])
    expected = theirs(torch.cat(features, dim=-1)).squeeze(-1)
    assert torch.allclose(reranker(transformed, raw, candidates, torch.tensor(0.05)), expected, atol=1e-6)


@pytest.mark.parametrize("prior", [True, False])
@pytest.mark.parametrize("view", [True, False])
def test_prior_and_view_are_terms_of_their_own(prior: bool, view: bool) -> None:
    reranker = Reranker(make(Params, {"prior": prior, "view": view}), 6).eval()
    if view:
        torch.nn.init.eye_(reranker.view.weight)
    transformed, raw, candidates = torch.randn(3, 6), torch.randn(3, 6), torch.randn(3, 4, 6)
    expected = 2 * torch.einsum("bd,bkd->bk", prior * transformed + view * raw, candidates)
    assert torch.allclose(reranker(transformed, raw, candidates, torch.tensor(0.5)), expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reranker_does_not_care_how_candidates_are_listed(kind: str) -> None:
    reranker = Reranker(make(Params, {"kind": kind}), 6).eval()
    for parameter in reranker.parameters():
        torch.nn.init.normal_(parameter)
    query, raw, candidates = torch.randn(3, 6), torch.randn(3, 6), torch.randn(3, 4, 6)
    turned = reranker(query, raw, candidates.flip(1), torch.tensor(1.0)).flip(1)
    assert torch.allclose(turned, reranker(query, raw, candidates, torch.tensor(1.0)), rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def task() -> Task:
    options = {"source": "synthetic", "documents": 60, "dim": 8, "map": "none"}
    return tasks.build({**options, "train": 200, "dev": 10, "test": 10})


class Told(TwoStage):
    """A pipeline that is told how many of 100 held-out queries its reranker puts right, and stage one alone."""

    counts: list[tuple[float, float]]

    def _right(self) -> tuple[torch.Tensor, torch.Tensor, int]:
        right, alone = self.counts.pop(0)
        return torch.tensor(right), torch.tensor(alone), 100


def kept(task: Task, counts: list[tuple[float, float]], epochs: int, **params: Any) -> tuple[list[bool], list[bool]]:
    """Return whether each epoch of the reranker was one that trained, and whether a reranker ranks after it."""
    made = create("two_stage", {"stage_one.epochs": 1, **params}, task.corpus)
    system = Told(made.params, task.corpus)
    system.counts = list(counts)
    system.prepare(task, 0)
    first = 1 if system.params.training == "joint" else 2
    trained, ranks = [], []
    for epoch in range(first, first + epochs):
        trained.append(bool([*system.batches(epoch)]))
        ranks.append(system.reranks)
    return trained, ranks


def test_stage_ones_order_stands_until_it_is_beaten_by_more_than_a_standard_error(task: Task) -> None:
    """80 of 100 have one of 4: before the first epoch nothing is kept, at 84 stage one stands, above it does not."""
    for right, ranks in ((79.0, False), (84.0, False), (85.0, True)):
        assert kept(task, [(80.0, 80.0), (right, 80.0)], 1) == ([True], [ranks]), right
    assert kept(task, [(99.0, 80.0), (70.0, 80.0)], 1)[1] == [False], "it has not learned yet where the bar is set"
    assert kept(task, [(80.0, 80.0), (81.0, 80.0)], 1, **{"reranker.gated": False})[1] == [True]


@pytest.mark.parametrize("patience", [1, 2])
def test_the_reranker_stops_after_so_many_epochs_that_were_no_better(task: Task, patience: int) -> None:
    counts = [(80.0, 80.0), (85.0, 80.0), (90.0, 80.0), (90.0, 80.0), (89.0, 80.0)]
    trained, ranks = kept(task, counts, 5, **{"reranker.patience": patience})
    assert trained == [True, True] + [True] * patience + [False] * (3 - patience)
    assert ranks == [True] * 5


@pytest.mark.parametrize("patience", [1, 2])
def test_joint_training_keeps_both_stages_by_the_same_rule(task: Task, patience: int) -> None:
    """The reranker takes part where it beats this epoch's stage one by more than its standard error, of 20 held out."""
    counts = [(10.0, 10.0), (16.0, 15.0), (19.0, 15.0), (18.0, 15.0), (19.0, 19.0)]
    params = {"training": "joint", "reranker.held_out": 0.1, "reranker.patience": patience}
    trained, ranks = kept(task, counts, 5, **params)
    assert trained == [True] * 3 + [True] * patience + [False] * (2 - patience)
    assert ranks == [False, False, True, True, True]
