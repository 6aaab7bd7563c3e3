from __future__ import annotations

import dataclasses

from nvf.tasks.base import Task
from nvf.training.floors import measure_floors


def test_floors_and_ceilings_that_apply(small: Task) -> None:
    found = measure_floors(small, "dev", ["nDCG@10", "Success@1"])
    assert set(found.floors) == {"raw"} and set(found.ceilings) == {"oracle"}
    assert found.queries["all"] == 60 and 0 < found.queries["cold"] < 60
    assert found.ceilings["oracle"]["all"]["Success@1"] > found.floors["raw"]["all"]["Success@1"]


def test_no_ceiling_without_a_generator(small: Task) -> None:
    found = measure_floors(dataclasses.replace(small, truth={}, cold=None), "test", ["R@5"])
    assert found.ceilings == {} and set(found.floors["raw"]) == {"all", "clean"}
