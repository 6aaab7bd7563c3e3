"""The fast measures equal trec_eval's, and both equal figures computed by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ir_measures
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nvf.errors import MeasureError, SpecError
from nvf.indexes.exact import top_k
from nvf.measures import fast, judge
from nvf.measures.measure import Judged, Measure
from nvf.measures.parse import MEASURES as KNOWN
from nvf.measures.parse import parse
from nvf.sweep.spec import load
from nvf.tasks.base import Qrels
from nvf.types import FloatArray, Ranking

MEASURES = [f"{name}@{cutoff}" for name in ("nDCG", "R", "Success", "RR", "MAP", "P") for cutoff in (1, 2, 3, 10)]


@dataclass
class Case:
    ranking: Ranking
    qrels: Qrels
    ids: list[str]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Ties, unanswered queries, judged documents outside the corpus, negative grades, ids in no particular order."""
    ids = draw(st.lists(st.sampled_from(["d1", "d10", "d9", "D2", "é", "10", "9", "z z"]), min_size=1, unique=True))
    queries = draw(st.integers(1, 4))
    score = st.sampled_from([0.0, 0.25, 0.5, float("-inf")])
    table = draw(st.lists(st.lists(score, min_size=len(ids), max_size=len(ids)), min_size=queries, max_size=queries))
    judgement = st.tuples(st.integers(0, queries - 1), st.integers(0, len(ids) - 1), st.integers(-1, 3))
    outside = st.tuples(st.integers(0, queries - 1), st.just(-1), st.integers(-1, 3))
    judged = draw(st.lists(judgement, unique_by=lambda triple: triple[:2])) + draw(st.lists(outside, max_size=3))
    order = torch.tensor(np.argsort(np.argsort(np.array(ids, dtype=object))))
    ranking = Ranking(*top_k(torch.tensor(table), draw(st.integers(1, 10)), order))
    return Case(ranking, Qrels.from_triples(queries, judged), ids)


def assert_equal_to_judge(case: Case) -> None:
    quick = fast.per_query(case.ranking, case.qrels, MEASURES)
    exact = judge.per_query(case.ranking, case.qrels, case.ids, MEASURES)
    assert list(quick) == list(exact) == MEASURES
    for measure in MEASURES:
        assert quick[measure].dtype == np.float64
        np.testing.assert_allclose(quick[measure], exact[measure], rtol=0, atol=1e-12, err_msg=measure)


@given(cases())
@settings(max_examples=300, deadline=None)
def test_fast_equals_the_judge(case: Case) -> None:
    assert_equal_to_judge(case)


@given(cases(), st.data())
@settings(max_examples=100, deadline=None)
def test_a_document_that_stands_twice_counts_once(case: Case, data: st.DataObject) -> None:
    depth = case.ranking.rows.shape[1]
    inserted = data.draw(st.lists(st.integers(0, depth - 1), min_size=depth, max_size=depth))
    hits = torch.tensor([(place, min(again, place)) for place, again in enumerate(inserted)]).flatten()
    ranking = Ranking(case.ranking.scores[:, hits.cummax(0).values], case.ranking.rows[:, hits])
    assert_equal_to_judge(Case(ranking, case.qrels, case.ids))


GOLDEN_RUN = """
q1 d9  3.0
q1 d2  2.0
q1 d1  2.0
q1 d4  1.0
q2 d3  1.0
q3 d1  0.5
"""
GOLDEN_QRELS = """
q1 d1  2
q1 d2  1
q1 d5  1
q1 zz  2
q2 d3 -1
q2 d4  0
q4 d1  1
"""
# q1: gains 0, 1 (d2 before d1: descending id), 2, 0; the ideal is 2, 2, 1, 1: zz counts, judged though it is not there.
# nDCG@3 = (1 / log2(3) + 2 / 2) / (2 + 2 / log2(3) + 1 / 2) = 1.63093 / 3.76186
GOLDEN_FIGURES = """
        q1       q2  q3  q4
nDCG@1  0.000000 0   0   0
nDCG@3  0.433544 0   0   0
R@3     0.500000 0   0   0
R@1     0.000000 0   0   0
Success@1 0      0   0   0
Success@2 1      0   0   0
RR@1    0        0   0   0
RR@10   0.500000 0   0   0
P@3     0.666667 0   0   0
P@10    0.200000 0   0   0
MAP@2   0.125000 0   0   0
MAP@10  0.291667 0   0   0
"""
# MAP@10 = (1 / 2 + 2 / 3) / 4


def by_ir_measures(run: judge.Lists, judged: dict[str, dict[str, int]], measures: list[str]) -> dict[str, list[float]]:
    asked = {text: ir_measures.parse_measure(text.replace("MAP", "AP")) for text in measures}
    values = {text: [0.0] * 4 for text in measures}
    for text, measure in asked.items():
        for each in ir_measures.iter_calc([measure], judged, run):
            values[text][int(each.query_id)] = each.value
    return values


@pytest.mark.parametrize("source", ["fast", "judge", "ir_measures"])
def test_golden(source: str) -> None:
    ids = ["d1", "d2", "d3", "d4", "d5", "d9"]
    table = torch.full((4, 6), -torch.inf)
    for query, document, score in map(str.split, GOLDEN_RUN.strip().splitlines()):
        table[int(query[1]) - 1, ids.index(document)] = float(score)
    ranking = Ranking(*top_k(table, 6, torch.arange(6)))
    lines = [line.split() for line in GOLDEN_QRELS.strip().splitlines()]
    triples = [(int(q[1]) - 1, ids.index(d) if d in ids else -1, int(grade)) for q, d, grade in lines]
    qrels = Qrels.from_triples(4, triples)
    _, *expected = (line.split() for line in GOLDEN_FIGURES.strip().splitlines())
    measures = [line[0] for line in expected]
    if source == "fast":
        found = fast.per_query(ranking, qrels, measures)
    elif source == "ir_measures":
        found = by_ir_measures(judge.as_run(ranking, ids), judge.as_qrels(qrels, ids), measures)
    else:
        found = judge.per_query(ranking, qrels, ids, measures)
    for measure, *values in expected:
        np.testing.assert_allclose(found[measure], [float(value) for value in values], atol=1e-6, err_msg=measure)


def test_a_measure_that_does_not_parse() -> None:
    ranking = Ranking(torch.ones(1, 1), torch.zeros(1, 1, dtype=torch.int64))
    with pytest.raises(MeasureError, match=r"did you mean 'nDCG@10'"):
        fast.per_query(ranking, Qrels.from_triples(1, []), ["ndcg@10"])


ONE = Ranking(torch.ones(1, 2), torch.tensor([[1, 0]]))
JUDGED = Qrels.from_triples(1, [(0, 0, 1)])


class Half(Measure):
    name = "Half"
    wrong = ""

    def values(self, judged: Judged) -> FloatArray:
        found = judged.found.any(1) / 2
        return {"shape": found[:0], "range": found + 1, "nan": found * np.nan}.get(self.wrong, found)


@pytest.fixture
def half(monkeypatch: pytest.MonkeyPatch) -> type[Half]:
    monkeypatch.setitem(KNOWN._loaded, "Half", Half)
    monkeypatch.setattr(Half, "wrong", "")
    return Half


def test_a_measure_sees_no_further_than_its_cutoff(half: type[Half]) -> None:
    assert {text: of.tolist() for text, of in fast.per_query(ONE, JUDGED, ["Half@1", "R@2", "Half@2"]).items()} == {
        "Half@1": [0.0],
        "R@2": [1.0],
        "Half@2": [0.5],
    }
    assert str(parse("Half@20")) == "Half@20"


def test_trec_eval_judges_what_it_has(half: type[Half]) -> None:
    assert [*judge.per_query(ONE, JUDGED, ["a", "b"], ["Half@2", "P@2"])] == ["P@2"]
    assert [*judge.agreed(["a", "b"], ["q"])(ONE, JUDGED, ["Half@2"])] == ["Half@2"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("shape", r"values of shape \(0,\) for 1 queries"), ("range", "to 1.5"), ("nan", r"outside of \[0, 1\]: nan")],
)
def test_a_measure_that_does_not_measure(
    half: type[Half], monkeypatch: pytest.MonkeyPatch, wrong: str, said: str
) -> None:
    monkeypatch.setattr(half, "wrong", wrong)
    with pytest.raises(MeasureError, match=f"Half@2 has .*{said}"):
        fast.per_query(ONE, JUDGED, ["Half@2"])


def test_a_sweep_file_may_ask_for_map_and_precision(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    text = "name: m\ntask: {source: synthetic}\nsystem: linear\n"
    text += "measure: [MAP@100, cold P@3]\ngates: {least: {MAP@100: 0.2}}\n"
    file.write_text(text)
    assert load(file)[0].measures()[:2] == ["MAP@100", "P@3"]
    file.write_text(text.replace("P@3", "Map@3"))
    with pytest.raises(SpecError, match="did you mean 'MAP@3'"):
        load(file)
