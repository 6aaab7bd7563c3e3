"""A head: two layers, standardised, in one of two formulations; what is asked of a batch."""

from __future__ import annotations

import pytest
import torch

from nvf.losses.covariance import covariance
from nvf.losses.sigreg import sigreg
from nvf.params import make
from nvf.systems.head import Head, HeadParams, IsotropyParams, Standardise, formulate, isotropy, similarity


def draws(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_batch_is_standardised_by_itself_and_later_ones_as_calibrated() -> None:
    standardise = Standardise(3).train()
    vectors = 5 + 2 * draws(400, 3)
    seen = standardise(vectors)
    assert torch.allclose(seen.mean(0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(seen.var(0), torch.ones(3), atol=1e-4)
    assert torch.equal(standardise.eval()(vectors), vectors / (1 + 1e-8) ** 0.5)
    standardise.calibrate(vectors)
    assert torch.allclose(standardise(vectors[:1]), seen[:1], atol=1e-4)


def test_one_vector_alone_is_seen_as_calibrated() -> None:
    standardise = Standardise(2).train()
    standardise.calibrate(torch.tensor([[1.0, 0.0], [3.0, 4.0]]))
    kept = {name: value.clone() for name, value in standardise.state_dict().items()}
    assert torch.allclose(standardise(torch.tensor([[2.0, 2.0]])), torch.zeros(1, 2))
    assert all(torch.equal(value, kept[name]) for name, value in standardise.state_dict().items())


def test_calibrating_on_one_vector_keeps_the_variance() -> None:
    standardise = Standardise(2)
    standardise.calibrate(torch.tensor([[7.0, 8.0]]))
    assert standardise.variance.tolist() == [1, 1] and standardise.mean.tolist() == [7, 8]


@pytest.mark.parametrize("out", [None, 5, 40])
def test_a_calibrated_head_lies_on_the_scale_of_a_normal(out: int | None) -> None:
    vectors = torch.nn.functional.normalize(draws(600, 16))
    for formulation in ("l2", "n01"):
        head = Head(make(HeadParams, {"out": out, "formulation": formulation}), 16)
        head.calibrate(vectors)
        embedded = head.eval()(vectors)
        assert embedded.shape == (600, out or 16)
        assert embedded.square().mean().item() == pytest.approx(1, abs=0.01)


def test_l2_has_one_length_and_n01_keeps_its_own() -> None:
    vectors = draws(4, 9)
    assert torch.equal(formulate(vectors, "n01"), vectors)
    assert torch.allclose(formulate(vectors, "l2").norm(dim=1), torch.full((4,), 3.0))
    assert torch.allclose(formulate(torch.zeros(1, 9), "l2"), torch.zeros(1, 9))


def test_similarity_is_half_the_negative_squared_distance_per_dimension() -> None:
    queries, documents = draws(3, 6), draws(5, 6, seed=1)
    expected = -(queries[:, None] - documents).square().sum(2) / 12
    assert torch.allclose(similarity(queries, documents), expected, atol=1e-6)
    at_length = formulate(queries, "l2"), formulate(documents, "l2")
    cosines = torch.nn.functional.cosine_similarity(queries[:, None], documents, dim=2)
    assert torch.allclose(similarity(*at_length), cosines - 1, atol=1e-6)


def test_isotropy_is_of_the_kind_that_is_asked() -> None:
    vectors = draws(30, 4)
    generator = torch.Generator().manual_seed(1)
    assert torch.equal(isotropy(IsotropyParams(), vectors, generator), covariance(vectors))
    found = isotropy(IsotropyParams(isotropy="sigreg", sigreg_slices=64), vectors, generator)
    assert torch.equal(found, sigreg(vectors, 64, torch.Generator().manual_seed(1)))
