"""What holds for every system, source and measure holds for ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from nvf.testing import MeasureCases, SourceCases, SystemCases


@pytest.mark.parametrize("name", ["poly"], scope="class")
class TestPoly(SystemCases):
    pass


@pytest.mark.parametrize("text", ["RBP@1", "RBP@10"], scope="class")
class TestRankBiasedPrecision(MeasureCases):
    pass


class TestNpz(SourceCases):
    @pytest.fixture
    def options(self, tmp_path: Path) -> dict[str, str]:
        from nvf_poly.example import write

        write(tmp_path / "small.npz", documents=30)
        return {"source": "npz", "path": str(tmp_path / "small.npz")}
