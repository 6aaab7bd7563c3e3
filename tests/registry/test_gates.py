"""A planted bad champion of each kind is refused by the right gate."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from nvf.diagnostics.embedding_collapse import Spread, embedding_collapse
from nvf.errors import GateRefused
from nvf.journal.result import ConfirmationResult, Finalist
from nvf.plain import plain
from nvf.registry.gates import check, verdicts
from nvf.spec.form import Gates
from nvf.training.record import Record
from tests.journal.written import confirmation

SIZE = 1000
SILENT = {"queries": 300, "difference": 0.03, "low": 0.01, "high": 0.05, "p": 0.001}
GOOD: dict[str, Any] = {
    "against": {"raw": {**SILENT, "all": SILENT, "clean": SILENT, "cold": SILENT}},
    "test": {"all": {"nDCG@10": 0.4, "R@5": 0.5, "Success@1": 0.6}},
    "latency_ms_p95": 1.0,
    "champion": {"record": {"diagnoses": []}},
}
RESULT: dict[str, Any] = {
    "compared": "nDCG@10",
    "floors": {"raw": {"all": {"nDCG@10": 0.37, "R@5": 0.39, "Success@1": 0.5}}},
    "leaks": [{"split": "test", "other": "train", "queries": 300, "near": 30, "queries_shared": 60}],
}
STRICT = Gates(
    near_duplicates=0.2,
    shared_documents=0.3,
    gain={"R@5": 0.1},
    least={"Success@1": 0.6},
    latency_ms_p95=2,
    bytes=SIZE,
)


def line(difference: float, half: float, p: float | None = None) -> dict[str, Any]:
    """A comparison whose interval and p agree where no p is given."""
    p = p or (0.001 if abs(difference) > half else 0.5)
    return {"queries": 300, "difference": difference, "low": difference - half, "high": difference + half, "p": p}


def read(row: dict[str, Any], result: dict[str, Any]) -> tuple[Finalist, ConfirmationResult]:
    found = confirmation(**result, finalists=[row])
    return found.finalists[0], found


def planted(path: str, value: Any, *, leak: bool = False, **against: Any) -> tuple[Finalist, ConfirmationResult]:
    row, result = copy.deepcopy(GOOD), copy.deepcopy(RESULT)
    place: Any = result["leaks"][0] if leak else row
    *way, last = path.split("/")
    for part in way:
        place = place[part]
    place[last] = value
    row["against"] |= against
    return read(row, result)


def test_a_good_finalist_passes_every_gate() -> None:
    found = verdicts(*read(GOOD, RESULT), STRICT, SIZE)
    assert [verdict.gate for verdict in found] == [
        "floors",
        "cold",
        "leaks",
        "leaks",
        "gain",
        "least",
        "latency",
        "bytes",
    ]
    assert {verdict.outcome for verdict in found} == {"passes"}
    check(found, STRICT, "trial 0001 of s")


def collapsed() -> list[dict[str, Any]]:
    """The diagnoses of a record as the journal holds it, from the detector."""
    found = embedding_collapse("query", Spread(20.0, 0.1, -2.0), Spread(10.0, 0.95, -0.1), 32, 0.1)
    made = Record(epoch=1, losses={}, figures={}, diagnoses=tuple(found), clock={})
    return list(plain(made)["diagnoses"])


@pytest.mark.parametrize(
    ("path", "value", "gate", "outcome", "said"),
    [
        (
            "against/raw/clean",
            line(-0.03, 0.01),
            "floors",
            "worse",
            r"-0.0300 \[-0.0400, -0.0200\] against raw, clean nDCG@10, \d+ queries",
        ),
        ("against/raw/clean", line(0.005, 0.02), "floors", "undecided", r"about 9,80\d would decide \(80 % power\)"),
        (
            "against/raw/clean",
            {**line(0.03, 0.01), "p": 0.08},
            "floors",
            "undecided",
            r"300 queries, p 0.08; about 769 would decide",
        ),
        ("against/raw/clean", line(-0.03, 0.01, 0.2), "floors", "undecided", r"-0.0300.*p 0.2"),
        (
            "against/raw/cold",
            line(-0.08, 0.01, 0.2),
            "cold",
            "undecided",
            r"-0.0800.*p 0.2, margin",
        ),
        ("against/raw/clean", line(0.0, 0.0), "floors", "undecided", r"\+0.0000 \[\+0.0000, \+0.0000\]"),
        ("against/raw/cold", line(-0.08, 0.01), "cold", "worse", r"cold nDCG@10.*margin -0.02"),
        ("against/raw/cold", line(-0.01, 0.02), "cold", "undecided", r"about 2,452 would decide"),
        (
            "champion/record/diagnoses",
            collapsed(),
            "diagnoses",
            "refused",
            r"its record shows embedding_collapse \(0\.95, threshold 0\.9\)",
        ),
        ("test/all/R@5", 0.45, "gain", "refused", r"\+0.0600 from `raw`'s, \+0.1000 is asked"),
        ("test/all/Success@1", 0.59, "least", "refused", r"Success@1 is 0.5900, 0.6 is asked"),
        ("latency_ms_p95", 30.0, "latency", "refused", r"30 ms, 2 ms may be"),
    ],
)
def test_a_planted_fault_is_refused_by_its_gate(path: str, value: Any, gate: str, outcome: str, said: str) -> None:
    row, result = planted(path, value)
    found = verdicts(row, result, STRICT, SIZE)
    assert [(each.gate, each.outcome) for each in found if each.outcome != "passes"] == [(gate, outcome)]
    with pytest.raises(GateRefused, match=said) as refused:
        check(found, STRICT, "trial 0001 of s")
    assert refused.value.exit_code == 3


@pytest.mark.parametrize(("key", "said"), [("near", "90.0% .*near-duplicate"), ("queries_shared", "90.0% .*share")])
def test_a_leak_is_refused_where_the_spec_limits_it_only(key: str, said: str) -> None:
    row, result = planted(key, 270, leak=True)
    with pytest.raises(GateRefused, match=said):
        check(verdicts(row, result, STRICT, SIZE), STRICT, "s")
    check(verdicts(row, result, Gates(), SIZE), Gates(), "s")


def test_too_big_is_refused() -> None:
    with pytest.raises(GateRefused, match="take 1,001 bytes, 1,000 may be"):
        check(verdicts(*read(GOOD, RESULT), STRICT, SIZE + 1), STRICT, "s")


def test_a_baseline_that_is_no_floor_is_named() -> None:
    gates = Gates(baseline="bm25", gain={"R@5": 0.1})
    with pytest.raises(GateRefused, match=r"gates.baseline 'bm25' is no floor of this task \(raw\)"):
        check(verdicts(*read(GOOD, RESULT), gates, SIZE), gates, "s")


def test_only_the_floors_that_are_named_must_be_beaten() -> None:
    row, result = planted("against/raw/clean", line(-0.03, 0.01), bm25=GOOD["against"]["raw"])
    with pytest.raises(GateRefused, match="raw, clean"):
        check(verdicts(row, result, Gates(floors=True), SIZE), Gates(), "s")
    named = Gates(floors=("bm25",))
    found = verdicts(row, result, named, SIZE)
    check(found, named, "s")
    assert [verdict.said for verdict in found if verdict.gate == "floors" and "bm25" in verdict.said]
    with pytest.raises(GateRefused, match=r"gates.floors 'hybrid' is no floor of this task \(raw\)"):
        check(verdicts(row, result, Gates(floors=("hybrid",)), SIZE), named, "s")


def test_the_spec_says_what_undecided_means() -> None:
    row, result = planted("against/raw/clean", line(0.005, 0.02))
    lenient = Gates(undecided="pass")
    check(verdicts(row, result, lenient, SIZE), lenient, "s")
    row, result = planted("against/raw/clean", line(-0.03, 0.01))
    with pytest.raises(GateRefused):
        check(verdicts(row, result, lenient, SIZE), lenient, "s")


def test_an_open_interval_is_undecided_and_no_number_is_promised() -> None:
    row, result = planted("against/raw/clean", {"queries": 1, "difference": 0.5, "low": None, "high": None, "p": 1.0})
    (verdict,) = (each for each in verdicts(row, result, Gates(), SIZE) if each.gate == "floors")
    assert (verdict.outcome, verdict.queries) == ("undecided", None)
