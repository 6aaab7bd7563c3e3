from __future__ import annotations

import numpy as np
import pytest

from nvf.errors import TaskError
from nvf.tasks import leakage, splits
from nvf.tasks.base import Qrels
from nvf.tasks.splits import Carved, carve
from nvf.types import FloatArray, Queries

SHARE, THRESHOLD = 0.25, 0.9


def carve_dev(asked: Queries, qrels: Qrels, seed: int) -> Carved:
    return carve(asked, qrels, {"dev": SHARE}, THRESHOLD, seed)


def queries(vectors: FloatArray, texts: list[str] | None = None) -> Queries:
    return Queries([f"q{row}" for row in range(len(vectors))], np.asarray(vectors, dtype=np.float32), texts)


def apart(count: int) -> FloatArray:
    """Vectors of which no two are near."""
    return np.eye(count, dtype=np.float32)


def one_each(count: int) -> Qrels:
    return Qrels.from_triples(count, [(row, row, 1) for row in range(count)])


def test_takes_the_share_and_leaves_the_rest() -> None:
    carved = carve_dev(queries(apart(40)), one_each(40), seed=0)
    assert len(carved.rows["dev"]) == 10
    assert sorted([*carved.rows["train"], *carved.rows["dev"]]) == list(range(40))
    assert carved.note is None


def test_depends_on_the_seed_alone() -> None:
    draws = [tuple(carve_dev(queries(apart(40)), one_each(40), seed).rows["dev"]) for seed in (0, 0, 1, 2)]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("join", ["vectors", "texts", "documents"])
def test_what_hangs_together_stays_together(join: str, seed: int) -> None:
    count = 24
    vectors, texts = apart(count), [f"query {row}" for row in range(count)]
    documents = np.arange(count)
    pairs = [(0, 1), (2, 3), (3, 4), (10, 20)]
    for left, right in pairs:
        if join == "vectors":
            vectors[right] = vectors[left] * 2 + 0.01
        elif join == "texts":
            texts[right] = f"  {texts[left].upper()}?"
        else:
            documents[right] = documents[left]
    qrels = Qrels.from_triples(count, [(row, int(documents[row]), 1) for row in range(count)])
    carved = carve_dev(queries(vectors, texts), qrels, seed)
    assert 0 < len(carved.rows["dev"]) <= 6
    for left, right in pairs:
        assert (left in carved.rows["dev"]) == (right in carved.rows["dev"])


def test_irrelevant_judgements_join_nothing() -> None:
    everybody = [(row, 0, 0) for row in range(20)] + [(row, row, 1) for row in range(20)]
    carved = carve_dev(queries(apart(20)), Qrels.from_triples(20, everybody), seed=0)
    assert carved.note is None
    assert len(carved.rows["dev"]) == 5


def test_documents_that_join_everything_are_dropped_with_a_note() -> None:
    vectors = apart(20)
    vectors[1] = vectors[0]
    everybody = [(row, 0, 1) for row in range(18)] + [(row, row, 1) for row in range(18, 20)]
    for seed in range(8):
        carved = carve_dev(queries(vectors), Qrels.from_triples(20, everybody), seed)
        assert carved.note is not None and "18 of 20" in carved.note
        assert len(carved.rows["dev"]) == 5
        assert (0 in carved.rows["dev"]) == (1 in carved.rows["dev"])


def test_queries_that_are_all_alike_cannot_be_split() -> None:
    with pytest.raises(TaskError, match="20 training queries are near-duplicates of one another; give a dev split"):
        carve_dev(queries(np.ones((20, 4))), one_each(20), seed=0)


@pytest.mark.parametrize("seed", range(4))
def test_dev_and_test_are_carved_together(seed: int) -> None:
    documents = np.arange(60)
    documents[1::3] = documents[::3]
    qrels = Qrels.from_triples(60, [(row, int(documents[row]), 1) for row in range(60)])
    carved = carve(queries(apart(60)), qrels, {"dev": 0.2, "test": 0.1}, THRESHOLD, seed)
    assert {name: len(rows) for name, rows in carved.rows.items()} == {"train": 42, "dev": 12, "test": 6}
    assert sorted(np.concatenate([*carved.rows.values()])) == list(range(60))
    homes = [set(documents[rows]) for rows in carved.rows.values()]
    assert sum(map(len, homes)) == len(set.union(*homes))


def test_a_group_must_fit_into_the_smallest_split() -> None:
    """Ten queries that share documents would fill dev and could never be test's: then documents join nothing."""
    documents = [*[0] * 10, *range(1, 51)]
    qrels = Qrels.from_triples(60, [(row, document, 1) for row, document in enumerate(documents)])
    for shares, note in (({"dev": 0.2}, False), ({"dev": 0.2, "test": 0.1}, True), ({"dev": 0.1, "test": 0.2}, True)):
        carved = carve(queries(apart(60)), qrels, shares, THRESHOLD, seed=0)
        assert (carved.note is not None) == note
        assert {name: len(carved.rows[name]) for name in shares} == {n: round(60 * s) for n, s in shares.items()}
        together = {name for name, rows in carved.rows.items() if {*range(10)} & {*rows}}
        assert (len(together) == 1) == (not note)


def test_blocks_and_pending_pairs_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(0).standard_normal((60, 2))
    texts = [f"text {row // 2}" for row in range(60)]
    asked, qrels = queries(vectors, texts), one_each(60)
    whole = carve(asked, qrels, {"dev": SHARE}, 0.9999, seed=1)
    monkeypatch.setattr(leakage, "BLOCK", 7)
    monkeypatch.setattr(splits, "PENDING", 3)
    parts = carve(asked, qrels, {"dev": SHARE}, 0.9999, seed=1)
    for name, rows in whole.rows.items():
        np.testing.assert_array_equal(parts.rows[name], rows)
