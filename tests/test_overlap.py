"""What is said of splits that leak: every kind of leak is named, with its own count."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from nvf.overlap import Overlap, sentence, sentences

NOTHING = Overlap("test", "train", 2000, 0, 0, 0, 80, 0, 0, 0.85)
KINDS = {
    "same_id": (1200, "1,200 of 2,000 test queries stand in train too, under the same id"),
    "near": (
        1500,
        "1,500 of 2,000 test queries have a near-duplicate in train (same text, or cosine above 0.85)",
    ),
    "shared": (
        20,
        "25% of the documents judged relevant in test are so in train too (1,700 of 2,000 queries have one)",
    ),
}


def test_each_kind_of_leak_is_said_and_no_other() -> None:
    for there in product([False, True], repeat=3):
        kinds = [kind for kind, is_there in zip(KINDS, there, strict=True) if is_there]
        row = replace(NOTHING, **{kind: KINDS[kind][0] for kind in kinds}, queries_shared=1700)
        assert sentences([row]) == ([f"leak: {'; '.join(KINDS[kind][1] for kind in kinds)}"] if kinds else [])


def test_splits_that_leak_have_a_sentence_each_in_order() -> None:
    rows = [replace(NOTHING, near=3), NOTHING, replace(NOTHING, split="dev", same_id=1)]
    assert sentences(rows) == [sentence(rows[0]), sentence(rows[2])]
