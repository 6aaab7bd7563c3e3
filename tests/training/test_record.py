import json
import math

from nvf.plain import adapter, plain
from nvf.training.record import Record
from nvf.types import Diagnosis


def test_a_record_survives_json() -> None:
    record = Record(
        epoch=3,
        losses={"info_nce": 0.25},
        figures={"all": {"nDCG@10": 0.5}, "cold": {"nDCG@10": 0.25}},
        diagnoses=(Diagnosis("harmful_reranker", -0.01, -0.002, "why"),),
        clock={"seconds": 1.5},
    )
    assert adapter(Record).validate_json(json.dumps(plain(record), allow_nan=False)) == record


def test_what_is_not_finite_becomes_none_and_comes_back_as_nan() -> None:
    record = Record(epoch=0, losses={"a": math.inf}, figures={"all": {"R@5": math.nan}})
    found = json.loads(json.dumps(plain(record), allow_nan=False))
    assert found["losses"] == {"a": None} and found["figures"] == {"all": {"R@5": None}}
    assert math.isnan(adapter(Record).validate_python(found).losses["a"])
