"""The fusion starts at the first stage's order, whatever its units, and leaves out what is not there."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from nvf import seeding
from nvf.params import make
from nvf.systems.fusion import TEMPERATURE, Fusion, standardised
from nvf.systems.rerankers import Params

KINDS = ["concatenation", "difference", "cross_attention", "bilinear"]


def parts() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = seeding.generator("fusion")
    queries, candidates = torch.randn(4, 6, generator=draw), torch.randn(4, 9, 6, generator=draw)
    scores = torch.randn(4, 9, generator=draw)
    scores[1, 6:] = -torch.inf
    scores[2] = -torch.inf
    return F.normalize(queries, dim=1), F.normalize(candidates, dim=2), scores


def moved(kind: str, **params: object) -> Fusion:
    with seeding.forked("moved"):
        fusion = Fusion(make(Params, {"kind": kind, **params}), 6).eval()
        for parameter in fusion.parameters():
            torch.nn.init.normal_(parameter)
    return fusion


@pytest.mark.parametrize("kind", KINDS)
def test_untrained_it_keeps_the_first_stages_order(kind: str) -> None:
    queries, candidates, scores = parts()
    fused = Fusion(make(Params, {"kind": kind}), 6).eval()(queries, candidates, scores)
    assert torch.equal(fused.argsort(dim=1, stable=True), scores.argsort(dim=1, stable=True))
    assert torch.equal(fused == -torch.inf, scores == -torch.inf)


@pytest.mark.parametrize("kind", KINDS)
def test_without_its_prior_the_first_stages_scores_do_not_count(kind: str) -> None:
    queries, candidates, scores = parts()
    fusion = moved(kind, prior=False)
    there = scores > -torch.inf
    fused = fusion(queries, candidates, scores)
    own = fusion.reranker(queries, queries, candidates, torch.tensor(TEMPERATURE))
    assert torch.equal(fused[there], own[there])
    assert not fusion.reranker.prior and (fused[~there] == -torch.inf).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_stages_units_do_not_matter(kind: str) -> None:
    queries, candidates, scores = parts()
    fusion = moved(kind)
    assert torch.allclose(
        fusion(queries, candidates, scores), fusion(queries, candidates, 30 * scores - 7), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_there_gets_no_gradient_and_gives_none(kind: str) -> None:
    queries, candidates, scores = parts()
    fusion = moved(kind)
    fused = fusion(queries, candidates, scores)
    fused[fused > -torch.inf].sum().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in fusion.parameters())


def test_standard_scores() -> None:
    scores = torch.tensor([[3.0, 1.0, -torch.inf], [2.0, 2.0, 2.0]])
    assert standardised(scores, scores > -torch.inf).tolist() == [[1.0, -1.0, 0.0], [0.0, 0.0, 0.0]]
