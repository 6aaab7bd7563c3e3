import json
import math

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
    assert Record.from_json(json.loads(json.dumps(record.to_json(), allow_nan=False))) == record


def test_what_is_not_finite_becomes_none_and_comes_back_as_nan() -> None:
    record = Record(epoch=0, losses={"a": math.inf}, figures={"all": {"R@5": math.nan}})
    plain = json.loads(json.dumps(record.to_json(), allow_nan=False))
    assert plain["losses"] == {"a": None} and plain["figures"] == {"all": {"R@5": None}}
    assert math.isnan(Record.from_json(plain).losses["a"])
