from __future__ import annotations

import pytest

from nvf.errors import TaskError
from nvf.tasks.identity import Known, match, normal, owned

UUID = "6fa459ea-ee8a-3ca4-894e-db77e160355e"


@pytest.mark.parametrize(
    "spelt",
    [
        UUID.upper(),
        UUID.replace("-", ""),
        UUID.replace("-", "").upper(),
        f"urn:uuid:{UUID}",
        f"URN:UUID:{UUID}",
        f"{{{UUID}}}",
        f'"{UUID}"',
        f" {UUID}\t",
        f"\ufeff{UUID}",
    ],
)
def test_spellings_of_a_uuid(spelt: str) -> None:
    assert normal(spelt) == UUID


@pytest.mark.parametrize("spelt", ["17", "017", "+17", "17.0", "17.", " 17", '"17"', '" 017 "'])
def test_spellings_of_a_whole_number(spelt: str) -> None:
    assert normal(spelt) == "17"


@pytest.mark.parametrize("name", ["d017", "17.5", "1e3", "MED-1", "med-1", "a b", "17a", "é", UUID[:-1], "-", ""])
def test_other_ids_stay(name: str) -> None:
    assert normal(name) == name


def test_zero_has_no_sign_and_composed_letters_are_one() -> None:
    assert {normal(text) for text in ("0", "-0", "00", "0.0")} == {"0"}
    assert normal("-017") == "-17"
    assert normal("e\u0301") == "é"


def test_an_exact_id_goes_before_a_normal_form_and_an_ambiguous_one_is_not_taken() -> None:
    known = Known(["17", "017", "8"], "the corpus")
    assert [known.find(name) for name in ("17", "017", "0017", "08", "9", "8 ")] == ["17", "017", None, "8", None, "8"]
    assert known.notes == ["2 ids are spelt differently in the corpus ('08' is '8' there): matched as the same"]
    assert Known(["17"], "the corpus").notes == []


def test_capitals_mean_something_in_other_ids() -> None:
    assert Known(["aBc"], "the corpus").find("abc") is None


def test_two_spellings_of_a_pair_are_one_judgement() -> None:
    documents = Known(["1", "2"], "the corpus")
    assert match("test", [("q", "1", 1), ("q", "01", 1), ("q", "7", 1)], None, documents) == [
        ("q", "1", 1),
        ("q", "7", 1),
    ]
    with pytest.raises(TaskError, match="test: 'q' and '01' are judged twice, in two spellings, with grades 1 and 2"):
        match("test", [("q", "1", 1), ("q", "01", 2)], None, documents)


def test_a_query_in_two_spellings_is_one() -> None:
    queries, documents = Known(["1", "2"], "queries"), Known(["a"], "the corpus")
    assert match("test", [("1", "a", 1), ("02", "a", 1)], queries, documents) == [("1", "a", 1), ("2", "a", 1)]


def test_documents_of_the_same_id() -> None:
    assert owned(["1", "2", "03"], ["x", "2", "1", "3"]) == {"1": 2, "2": 1, "03": 3}
    assert owned(["7"], ["07", "007"]) == {}
    assert owned(["7"], ["07", "7"]) == {"7": 1}
