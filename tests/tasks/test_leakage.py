from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nvf.overlap import Overlap
from nvf.tasks import leakage
from nvf.tasks.base import Qrels, Split
from nvf.types import FloatArray, Queries


def queries(vectors: FloatArray, texts: list[str] | None = None, start: int = 0) -> Queries:
    ids = [f"q{start + row}" for row in range(len(vectors))]
    return Queries(ids, np.asarray(vectors, dtype=np.float32), texts)


def split(name: str, asked: Queries, triples: list[tuple[int, int, int]]) -> Split:
    count = len(asked)
    return Split(name, asked, Qrels.from_triples(count, triples), np.ones(count, bool), np.full(count, -1))


TRAIN = queries(np.eye(4), ["Does it work?", "a", "b", "..."])


def test_near_by_cosine_or_by_text() -> None:
    vectors = np.array([[3.0, 0.1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, -1]])
    asked = queries(vectors, ["x", "y", " does IT -- work ", "!!!"])
    assert leakage.near(asked, TRAIN, 0.9).tolist() == [True, False, True, False]
    assert leakage.near(asked, TRAIN, 0.7).tolist() == [True, True, True, False]
    assert leakage.near(asked, TRAIN, 0.9).tolist() == [True, False, True, False]


def test_windows_of_context_are_compared_whole() -> None:
    window = np.arange(12.0).reshape(1, 3, 4) + 1
    assert leakage.near(queries(2 * window), queries(window), 0.99).tolist() == [True]
    assert leakage.near(queries(2 * window[:, ::-1]), queries(window), 0.99).tolist() == [False]


def test_blocks_cover_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leakage, "BLOCK", 3)
    left, right = leakage.unit_rows(np.random.default_rng(0).standard_normal((2, 7, 3)).reshape(14, 3)).reshape(2, 7, 3)
    whole, above = np.full((7, 7), np.nan), np.full((7, 7), np.nan)
    for start, other, cosines in leakage.cosine_blocks(2 * left, right):
        whole[start : start + len(cosines), other : other + cosines.shape[1]] = cosines
    for start, other, cosines in leakage.cosine_blocks(left):
        above[start : start + len(cosines), other : other + cosines.shape[1]] = cosines
    np.testing.assert_allclose(whole, left @ right.T, atol=1e-6)
    upper = np.triu_indices(7)
    np.testing.assert_allclose(above[upper], (left @ left.T)[upper], atol=1e-6)
    assert np.isnan(above[3:, :3]).all()


def test_threshold_is_that_of_all_parts_together() -> None:
    vectors = np.random.default_rng(1).standard_normal((90, 5)).astype(np.float32)
    assert leakage.threshold_of(None, vectors[:20], vectors[20:21], vectors[21:]) == leakage.threshold_of(None, vectors)


def test_overlap_counts_by_hand() -> None:
    train = split("train", TRAIN, [(0, 5, 1), (1, 6, 1), (2, 7, 0), (3, -1, 1)])
    asked = queries(np.array([[1.0, 0, 0, 0], [1, 1, 1, 1], [1, 1, -1, 1]]), ["x", "A!", "z"], start=3)
    test = split("test", asked, [(0, 5, 1), (0, 6, 2), (1, 7, 1), (2, 6, 1), (2, -1, 1)])
    assert leakage.overlap(test, train, 0.9) == Overlap(
        split="test",
        other="train",
        queries=3,
        same_id=1,
        same_text=1,
        near=2,
        judged=3,
        shared=2,
        queries_shared=2,
        threshold=0.9,
    )


def test_the_report_compares_what_is_judged_with_what_was_seen_before() -> None:
    made = {name: split(name, queries(np.eye(2)), [(0, 0, 1)]) for name in ("train", "dev", "test")}
    rows = leakage.report(made, 0.9)
    assert [(row.split, row.other) for row in rows] == [("dev", "train"), ("test", "train"), ("test", "dev")]


def test_threshold_of_unknown_encoders_follows_their_unrelated_cosines() -> None:
    rng = np.random.default_rng(0)
    spread = rng.standard_normal((2000, 64))
    narrow = spread + 8 * np.ones(64)  # all vectors point much the same way, as with many encoders
    wide_threshold, narrow_threshold = leakage.threshold_of(None, spread), leakage.threshold_of("other", narrow)
    # the 95 % quantile of cosines of random 64-d vectors is 1.645 / sqrt(64)
    assert wide_threshold == pytest.approx(0.206 + 0.785 * (1 - 0.206), abs=0.01)
    assert narrow_threshold > 0.99
    assert leakage.threshold_of("minilm", narrow) == 0.85
    assert leakage.threshold_of(None, spread[:1]) == 1.0


@pytest.mark.data
@pytest.mark.parametrize("name", ["scifact", "nfcorpus"])
def test_calibration_gives_about_what_minilm_has(data_folder: Path, name: str) -> None:
    vectors = np.load(data_folder / "embeddings" / "minilm-256" / name / "queries.npy")
    assert leakage.threshold_of("calibrated", vectors) == pytest.approx(
        leakage.threshold_of("minilm", vectors), abs=0.01
    )


@pytest.mark.data
def test_clean_counts_against_all_training_queries(data_folder: Path) -> None:
    counts = {}
    for name in ("scifact", "nfcorpus"):
        base = data_folder / "embeddings" / "minilm-256" / name
        ids, vectors = json.loads((base / "queries_ids.json").read_text()), np.load(base / "queries.npy")
        at = {identity: row for row, identity in enumerate(ids)}
        asked = {}
        for part in ("train", "test"):
            lines = (data_folder / "beir" / name / "qrels" / f"{part}.tsv").read_text().splitlines()[1:]
            asked[part] = queries(
                vectors[[at[query] for query in dict.fromkeys(line.split("\t")[0] for line in lines)]]
            )
        counts[name] = int((~leakage.near(asked["test"], asked["train"], 0.85)).sum())
    assert counts == {"scifact": 167, "nfcorpus": 294}


def test_a_split_by_window_is_named() -> None:
    """Windows of one document overlap: split by window, most of each stands in the other split."""
    document = np.random.default_rng(0).standard_normal((12, 8)).astype(np.float32)
    windows = np.stack([document[at : at + 5] for at in range(8)])
    even, odd = windows[::2], windows[1::2]
    assert leakage.same_context(even, odd).all()
    other = np.random.default_rng(1).standard_normal((4, 5, 8)).astype(np.float32)
    other[:, 0] = document[3]  # one sentence that many have
    assert not leakage.same_context(other, windows).any()
    ids = [str(place) for place in range(4)]
    assert leakage.near(Queries(ids, even), Queries(ids, odd), 0.999).all()
    assert not leakage.near(Queries(ids, other), Queries(ids, odd), 0.999).any()
