"""The three views, own documents, and the real figures of the raw encoder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nvf.indexes.exact import search, top_k, twins
from nvf.measures import judge
from nvf.measures.evaluate import depth, drop_own, evaluate
from nvf.tasks.base import Qrels, Split
from nvf.types import Queries, Ranking

MEASURES = ["nDCG@3", "R@2", "Success@1", "RR@10"]


def make_split(qrels: Qrels, clean: np.ndarray, own: np.ndarray | None = None) -> Split:
    ids = [f"q{row}" for row in range(len(qrels))]
    own = np.full(len(qrels), -1) if own is None else own
    return Split("dev", Queries(ids, np.zeros((len(qrels), 1), dtype=np.float32)), qrels, clean, own)


def random_case(seed: int) -> tuple[Ranking, Split, np.ndarray]:
    random = np.random.default_rng(seed)
    queries, documents = random.integers(1, 6), random.integers(1, 8)
    scores = torch.from_numpy(random.integers(0, 4, (queries, documents)).astype(np.float32))
    table = random.integers(-2, 3, (queries, documents + 1))
    judged = [(query, row, grade) for (query, row), grade in np.ndenumerate(table) if grade > -2]
    triples = [(query, row if row < documents else -1, grade) for query, row, grade in judged]
    ranking = Ranking(*top_k(scores, 10, torch.from_numpy(random.permutation(documents))))
    return (
        ranking,
        make_split(Qrels.from_triples(queries, triples), random.random(queries) < 0.5),
        random.random(documents) < 0.4,
    )


@given(st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_views_are_what_they_say(seed: int) -> None:
    ranking, split, cold = random_case(seed)
    # The places of ids chosen so that the judge sees the ranking's own order among ties.
    places = ranking.rows.shape[1] - ranking.rows.argsort(dim=1)
    for query in range(len(split)):
        one = evaluate(
            Ranking(ranking.scores[query : query + 1], ranking.rows[query : query + 1]),
            split.select(np.array([query])),
            cold,
            MEASURES,
        )
        ids = [f"{place:03d}" for place in places[query].tolist()]
        alone = Ranking(ranking.scores[query : query + 1], ranking.rows[query : query + 1])
        rows, grades = split.qrels.of(query)
        is_cold = np.array([row >= 0 and cold[row] for row in rows], dtype=bool)
        only = Qrels.from_triples(1, [(0, r, g) for r, g, c in zip(rows, grades, is_cold, strict=True) if c])
        expected = {"all": judge.per_query(alone, split.qrels.select(np.array([query])), ids, MEASURES)}
        if split.clean[query]:
            expected["clean"] = expected["all"]
        if (only.grades > 0).any():
            warm = [r for r, g, c in zip(rows, grades, is_cold, strict=True) if g > 0 and not c]
            left = [place for place, row in enumerate(alone.rows[0].tolist()) if row not in warm]
            condensed = Ranking(alone.scores[:, left], alone.rows[:, left])
            expected["cold"] = judge.per_query(condensed, only, ids, MEASURES)
        assert list(one.figures) == list(expected)
        for view, values in expected.items():
            assert one.figures[view] == pytest.approx({name: value[0] for name, value in values.items()}, abs=1e-6)


@given(st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_figures_are_means_over_the_rows_of_a_view(seed: int) -> None:
    ranking, split, cold = random_case(seed)
    found = evaluate(ranking, split, cold, MEASURES)
    assert found.rows["all"].tolist() == list(range(len(split)))
    assert found.queries == {view: len(rows) for view, rows in found.rows.items()}
    assert all(found.queries.values()), "a view without queries is absent"
    if split.clean.any():
        assert found.rows["clean"].tolist() == np.flatnonzero(split.clean).tolist()
        np.testing.assert_array_equal(found.per_query["clean"]["R@2"], found.per_query["all"]["R@2"][split.clean])
    else:
        assert "clean" not in found.figures
    for view, rows in found.rows.items():
        for measure in MEASURES:
            assert len(found.per_query[view][measure]) == len(rows)
            assert found.figures[view][measure] == pytest.approx(found.per_query[view][measure].mean())


def test_no_cold_view_without_a_mask() -> None:
    ranking, split, _ = random_case(3)
    assert "cold" not in evaluate(ranking, split, None, MEASURES).figures


@given(st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_a_perfect_ranking_has_1_in_every_view(seed: int) -> None:
    """By grade, whatever stands first among equals: cold documents are not crowded out by other right answers."""
    _, split, cold = random_case(seed)
    grades = split.qrels.grades_of(np.tile(np.arange(len(cold)), (len(split), 1)))
    inside = split.qrels.where(split.qrels.rows >= 0)  # a document that is nowhere cannot be found
    ideal = Ranking(*top_k(torch.from_numpy(grades.astype(np.float32)), len(cold), torch.arange(len(cold))))
    found = evaluate(ideal, replace(split, qrels=inside), cold, ["nDCG@1", "nDCG@3", "nDCG@10", "R@10"])
    figures = found.figures.get("cold", {})
    assert figures == dict.fromkeys(figures, pytest.approx(1))
    judged = np.diff(inside.relevant().starts) > 0
    np.testing.assert_allclose(found.per_query["all"]["nDCG@10"], judged)


def test_a_perfect_ranking_of_many_warm_answers_has_1() -> None:
    """40 right answers of which the last is cold: judged on the first ten of the whole ranking, it would have 0."""
    split = make_split(Qrels.from_triples(1, [(0, row, 1) for row in range(40)]), np.array([True]))
    cold = np.arange(60) == 39
    measures = ["nDCG@10", "Success@1"]
    assert depth(measures, split) == 50
    ranking = Ranking(torch.arange(60.0).flip(0)[None], torch.arange(60)[None])
    full, cut = (Ranking(ranking.scores[:, :k], ranking.rows[:, :k]) for k in (50, 48))
    assert evaluate(full, split, cold, measures).figures["cold"] == {"nDCG@10": 1, "Success@1": 1}
    with pytest.raises(ValueError, match="cold figures need 49 hits a query, the ranking has 48"):
        evaluate(cut, split, cold, measures)


def test_cold_documents_stand_against_the_whole_corpus() -> None:
    """Of the four hits above the cold one, the one that is relevant leaves, and the others stay."""
    ranking = Ranking(torch.arange(5.0).flip(0)[None], torch.tensor([[3, 0, 4, 2, 1]]))
    split = make_split(Qrels.from_triples(1, [(0, 0, 2), (0, 1, 1), (0, 4, 0)]), np.array([True]))
    cold = np.array([False, True, False, True, True])
    found = evaluate(ranking, split, cold, ["nDCG@3", "nDCG@10", "RR@10", "R@3"])
    half = pytest.approx(0.25)
    assert found.figures["cold"] == {"nDCG@3": 0, "nDCG@10": pytest.approx(1 / np.log2(5)), "RR@10": half, "R@3": 0}


def test_depth() -> None:
    assert depth(["RR@10", "R@50", "nDCG@3"]) == 50
    split = make_split(
        Qrels.from_triples(2, [(0, 0, 1), (1, 0, 1), (1, 3, 2), (1, 4, 0), (1, -1, 1)]), np.ones(2, bool)
    )
    assert depth(["R@50"], split) == 52


def test_drop_own_moves_the_rest_up() -> None:
    ranking = Ranking(
        torch.tensor([[0.9, 0.8, 0.7], [0.9, 0.8, 0.7], [0.9, 0.8, 0.7], [0.9, 0.8, -torch.inf]]),
        torch.tensor([[4, 2, 1], [4, 2, 1], [4, 2, 1], [4, 2, -1]]),
    )
    split = make_split(Qrels.from_triples(4, []), np.ones(4, dtype=bool), np.array([-1, 4, 3, 2]))
    dropped = drop_own(ranking, split, 2)
    assert dropped.rows.tolist() == [[4, 2], [2, 1], [4, 2], [4, -1]]
    assert dropped.scores.tolist() == torch.tensor([[0.9, 0.8], [0.8, 0.7], [0.9, 0.8], [0.9, -torch.inf]]).tolist()


def test_drop_own_where_the_corpus_is_shallow() -> None:
    ranking = Ranking(torch.tensor([[0.9, 0.8]]), torch.tensor([[1, 0]]))
    split = make_split(Qrels.from_triples(1, []), np.array([True]), np.array([1]))
    dropped = drop_own(ranking, split, 5)
    assert dropped.rows.tolist() == [[0, -1]]


@given(st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_drop_own_equals_taking_the_document_out_of_the_corpus(seed: int) -> None:
    random = np.random.default_rng(seed)
    queries, documents, k = random.integers(1, 5), random.integers(2, 8), int(random.integers(1, 6))
    scores = torch.from_numpy(random.integers(0, 3, (queries, documents)).astype(np.float32))
    order = torch.from_numpy(random.permutation(documents))
    own = random.integers(-1, documents, queries)
    split = make_split(Qrels.from_triples(queries, []), np.ones(queries, dtype=bool), own)
    dropped = drop_own(Ranking(*top_k(scores, k + 1, order)), split, k)
    for query, row in enumerate(own):
        if row >= 0:
            scores[query, row] = -torch.inf
    expected = top_k(scores, k, order)[1]
    assert dropped.rows.tolist() == expected.tolist()


@pytest.mark.data
@pytest.mark.parametrize(("name", "golden", "copies"), [("scifact", "0.6451", 0), ("nfcorpus", "0.3159", 40)])
def test_raw_figures_of_minilm(data_folder: Path, name: str, golden: str, copies: int) -> None:
    vectors = data_folder / "embeddings" / "minilm-256" / name
    documents = torch.from_numpy(np.load(vectors / "corpus.npy"))
    ids = json.loads((vectors / "corpus_ids.json").read_text())
    row, query_row = (
        {id_: at for at, id_ in enumerate(found)}
        for found in (ids, json.loads((vectors / "queries_ids.json").read_text()))
    )
    lines = (data_folder / "beir" / name / "qrels" / "test.tsv").read_text().splitlines()[1:]
    judged = [line.split("\t") for line in lines if line.strip()]
    asked = sorted({query for query, _, _ in judged})
    triples = [(asked.index(query), row.get(document, -1), int(grade)) for query, document, grade in judged]
    qrels = Qrels.from_triples(len(asked), triples)
    queries = torch.from_numpy(np.load(vectors / "queries.npy")[[query_row[query] for query in asked]])
    order = torch.from_numpy(np.argsort(np.argsort(np.array(ids, dtype=object))))
    ranking = search(queries, documents, 100, order)
    found = evaluate(ranking, make_split(qrels, np.ones(len(asked), dtype=bool)), None, ["nDCG@10", "R@100"])
    assert f"{found.figures['all']['nDCG@10']:.4f}" == golden
    assert len(twins(documents)[0]) == copies
    exact = judge.per_query(ranking, qrels, ids, ["nDCG@10", "R@100"])
    for measure, values in exact.items():
        np.testing.assert_allclose(found.per_query["all"][measure], values, atol=1e-6)
