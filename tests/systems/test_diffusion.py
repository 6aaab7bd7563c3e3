"""Diffusion: a judged document's own evidence, and that of the judged documents near it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from nvf.systems.diffusion import Diffusion
from nvf.systems.documents import Documents
from nvf.tasks.assemble import make_corpus

CPU = torch.device("cpu")
EVIDENCE = torch.tensor([[1.0, 0.0], [0.0, 4.0], [0.0, 0.0]])


def documents(vectors: Tensor) -> Documents:
    return Documents(make_corpus([f"d{row}" for row in range(len(vectors))], vectors.numpy()), CPU)


@pytest.fixture
def plane() -> Documents:
    """Directions of 0, 60, 90 and 0 degrees, one of them longer; the first three will be judged."""
    angles = torch.tensor([0, math.pi / 3, math.pi / 2, 0])
    return documents(torch.stack([angles.cos(), angles.sin()], dim=1) * torch.tensor([1.0, 3.0, 1.0, 1.0])[:, None])


def test_by_hand(plane: Documents) -> None:
    diffusion = Diffusion.of(plane, torch.tensor([0, 1, 2]), neighbours=2)
    assert diffusion.judged.tolist() == [True, True, True, False]
    # d1 is at cosine 1/2 from d0 and cos 30 degrees from d2; d3 is d0 itself, so its nearest are d0 and d1
    assert diffusion.places.tolist() == [[0, 1, 2], [1, 2, 0], [2, 1, 0], [0, 0, 1]]
    half, thirty = math.exp(0.5), math.exp(math.sqrt(3) / 2)
    near = [half / (half + 1), half / (half + thirty), 1 / (1 + thirty), math.e / (math.e + half)]
    spread = diffusion.spread(EVIDENCE, temperature=1.0, share=0.25, novelty=2.0)
    expected = [
        [0.25, 0.75 * 4 * near[0]],
        [0.75 * near[1], 0.25 * 4],
        [0.75 * near[2], 0.75 * 4 * (1 - near[2])],
        [2 * near[3], 2 * 4 * (1 - near[3])],
    ]
    assert torch.allclose(spread, torch.tensor(expected), atol=1e-6)


def test_a_share_of_one_leaves_judged_documents_alone(plane: Documents) -> None:
    diffusion = Diffusion.of(plane, torch.tensor([0, 1, 2]), neighbours=5)
    assert torch.equal(diffusion.spread(EVIDENCE, 0.1, 1.0, 1.0)[:3], EVIDENCE)


def test_a_share_of_zero_asks_the_neighbours_alone(plane: Documents) -> None:
    diffusion = Diffusion.of(plane, torch.tensor([0, 1, 2]), neighbours=1)
    assert torch.equal(diffusion.spread(EVIDENCE, 0.1, 0.0, 1.0), EVIDENCE[[1, 2, 1, 0]])


def test_one_judged_document_is_everybodys_neighbour(plane: Documents) -> None:
    diffusion = Diffusion.of(plane, torch.tensor([2]), neighbours=4)
    assert torch.equal(diffusion.spread(torch.tensor([[7.0]]), 0.1, 0.5, 1.0), torch.full((4, 1), 7.0))


def test_equal_documents_hear_the_same() -> None:
    rng = np.random.default_rng(0)
    vectors = torch.tensor(rng.standard_normal((301, 40)), dtype=torch.float32)
    vectors[[17, 160, 300]] = vectors[2].clone()
    diffusion = Diffusion.of(documents(vectors), torch.arange(20, 150), neighbours=7)
    spread = diffusion.spread(torch.rand(130, 5), 0.3, 0.5, 1.5)
    assert torch.equal(spread[[17, 160, 300]], spread[2].expand(3, 5))


def test_gradients_reach_evidence_and_temperature(plane: Documents) -> None:
    diffusion = Diffusion.of(plane, torch.tensor([0, 1, 2]), neighbours=2)
    numbers = EVIDENCE.double().requires_grad_(), torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    exact = Diffusion(diffusion.places, diffusion.cosines.double(), diffusion.judged)
    assert torch.autograd.gradcheck(lambda *given: exact.spread(*given, 0.6, 1.5), numbers)
