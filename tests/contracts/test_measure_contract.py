"""What holds for every measure."""

from __future__ import annotations

import pytest

from nvf.measures.parse import MEASURES, parse
from nvf.testing import MeasureCases


@pytest.mark.parametrize("text", [f"{name}@{cutoff}" for name in MEASURES for cutoff in (1, 3, 10)], scope="class")
class TestMeasure(MeasureCases):
    def test_trec_eval_has_it(self, text: str) -> None:
        assert parse(text).trec
