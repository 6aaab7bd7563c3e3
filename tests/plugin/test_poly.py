"""What holds for every system, source, measure and loss holds for ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from nvf.testing import LossCase, LossCases, MeasureCases, SourceCases, SystemCases


@pytest.mark.parametrize("name", ["poly"], scope="class")
class TestPoly(SystemCases):
    pass


@pytest.mark.parametrize("text", ["RBP@1", "RBP@10"], scope="class")
class TestRankBiasedPrecision(MeasureCases):
    pass


def hinge(scores: Tensor) -> Tensor:
    from nvf_poly.loss import hinge

    return hinge(scores, torch.tensor([1]), others=torch.tensor([[0], [2]]))


SCORES = torch.tensor([[0.4, 0.5, 0.9]], dtype=torch.float64)


@pytest.mark.parametrize("case", [LossCase("hinge", hinge, SCORES, 0.1, torch.zeros_like(SCORES), 0.2)], scope="class")
class TestHinge(LossCases):
    pass


class TestNpz(SourceCases):
    @pytest.fixture
    def options(self, tmp_path: Path) -> dict[str, str]:
        from nvf_poly.example import write

        write(tmp_path / "small.npz", documents=30)
        return {"source": "npz", "path": str(tmp_path / "small.npz")}
