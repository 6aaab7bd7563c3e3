"""What holds for every system, source, measure and loss, as classes of pytest cases: nvf's own tests are made of them.

    @pytest.mark.parametrize("name", ["poly"], scope="class")
    class TestPoly(SystemCases):
        pass

Needs pytest.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{each}" for each in ("losses", "measures", "sources", "systems")))

from nvf.testing.losses import LossCase, LossCases  # noqa: E402 - pytest rewrites what is imported from here on
from nvf.testing.measures import MeasureCases  # noqa: E402
from nvf.testing.sources import SourceCases  # noqa: E402
from nvf.testing.systems import SystemCases, inspected, trained  # noqa: E402

__all__ = ["LossCase", "LossCases", "MeasureCases", "SourceCases", "SystemCases", "inspected", "trained"]
