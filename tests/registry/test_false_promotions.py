"""The whole gate over simulated sweeps: three finalists over five seeds, compared, adjusted, and put to the gates.

At most 5 % may be promoted of those that are no better than a floor, or worse than a margin allows, in one single
respect; and most of those that are good in every one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from nvf.cli.verdicts import compared as shown
from nvf.journal.result import ConfirmationResult, Finalist
from nvf.measures.comparison import ALPHA
from nvf.measures.objective import Objective
from nvf.registry import gates
from nvf.registry.findings import compared
from nvf.registry.judging import Judged
from nvf.spec.form import Gates
from nvf.types import FloatArray
from tests.journal.written import confirmation

SWEEPS, QUERIES, SEEDS, FINALISTS = 200, 300, 5, (3, 1, 7)
OF_QUERIES, OF_SEEDS, OF_BOTH = 0.13, 0.008, 0.05
"""Deviations of a finalist's difference to a floor."""
HAS_COLD = 0.5
"""The share of the queries that have a cold document in a draw."""


@dataclass(frozen=True)
class Truth:
    """By how much every finalist is better than `hybrid` (on all queries and on clean ones), raw (on cold documents)
    and the champion. `raw` is far behind on all queries, so that one floor alone decides.
    """

    hybrid: float = 0.06
    cold: float = 0.06
    champion: float = 0.06


def sweep(rng: np.random.Generator, truth: Truth) -> tuple[Finalist, ConfirmationResult]:
    """Return the leading finalist on dev, and the result of the confirmation, as far as gates read them."""
    base, cold = rng.beta(1, 2, (1, QUERIES)), np.where(rng.random((SEEDS, QUERIES)) < HAS_COLD, 0.1, np.nan)
    common = rng.exponential(1, QUERIES) * rng.choice([-1, 0, 1], QUERIES)

    def better(by: float) -> FloatArray:
        of_query = OF_QUERIES * (0.8 * common / np.sqrt(4 / 3) + 0.6 * rng.normal(0, 1, QUERIES))
        of_seed = rng.normal(0, OF_SEEDS, (SEEDS, 1))
        return by + of_query + of_seed + rng.normal(0, OF_BOTH, (SEEDS, QUERIES))

    def judged(all_: FloatArray, of_cold: FloatArray | None = None) -> Judged:
        views = {"all": all_, "clean": all_[:, : QUERIES - 20]} | ({} if of_cold is None else {"cold": of_cold})
        return Judged({}, {view: {"nDCG@10": table} for view, table in views.items()}, [])

    finalists = {number: judged(base + better(truth.hybrid), cold + better(truth.cold)) for number in FINALISTS}
    against = compared(finalists, {"raw": judged(base - 0.1, cold), "hybrid": judged(base, cold)}, "nDCG@10")
    champion = judged(base + truth.hybrid - truth.champion)
    beside = compared(finalists, {"champion": champion}, "nDCG@10")
    rows = [
        {
            "trial": number,
            "against": against[number],
            "against_champion": beside[number]["champion"],
            "dev": {"mean": rng.random()},
        }
        for number in FINALISTS
    ]
    result = confirmation(floors={"raw": {}, "hybrid": {}}, champion={}, finalists=rows, cold_by="condensed")
    best = result.leading(Objective("all", "nDCG@10"))
    assert best is not None
    return best, result


def promoted(row: Finalist, result: ConfirmationResult) -> bool:
    asked = Gates()
    found = [*gates.verdicts(row, result, asked, 1000), *gates.champion(row, result, asked)]
    assert [verdict.gate for verdict in found] == ["floors", "floors", "cold", "champion"]
    return not gates.refusals(found, asked)


@pytest.mark.slow
@pytest.mark.parametrize(
    "truth",
    [Truth(hybrid=0.0), Truth(hybrid=-0.005), Truth(cold=-0.02), Truth(champion=-0.02)],
    ids=["as good as a floor", "slightly worse", "buries new documents", "worse than the champion"],
)
def test_at_most_five_percent_are_promoted_wrongly(truth: Truth) -> None:
    rng = np.random.default_rng(0)
    found = [sweep(rng, truth) for _ in range(SWEEPS)]
    assert sum(promoted(*each) for each in found) / SWEEPS <= 0.05
    if truth.hybrid <= 0:  # whichever is promoted: what must be better than a floor is adjusted for the finalists
        assert sum(any(promoted(row, result) for row in result.finalists) for _, result in found) / SWEEPS <= 0.05


@pytest.mark.slow
def test_what_is_better_in_every_respect_is_promoted() -> None:
    rng = np.random.default_rng(0)
    assert sum(promoted(*sweep(rng, Truth())) for _ in range(40)) / 40 >= 0.9


def test_every_verdict_that_is_printed_agrees_with_its_adjusted_p() -> None:
    """In the gates, and in the table of the terminal: `better` and `worse` have p below 0.05 and 0 outside."""
    rng, seen = np.random.default_rng(0), set()
    for gain in (-0.03, -0.02, 0.0, 0.015, 0.02, 0.03):
        _, result = sweep(rng, Truth(hybrid=gain, cold=gain))
        for row in result.finalists:
            lines = [(name, view, of[view]) for name, of in row.against.items() for view in ("all", "clean", "cold")]
            table = [text.plain.split()[-1] for text in shown(lines, 80)][1:]
            for (_, _, of), said in zip(lines, table, strict=True):
                gate = gates.difference("floors", of, 0.0, "raw").outcome
                assert (said, gate) in {("better", "passes"), ("worse", "worse"), ("undecided", "undecided")}
                assert (said == "undecided") or (of.p < ALPHA and not of.low <= 0 <= of.high)
                if said == "undecided":
                    assert of.p >= ALPHA or of.low <= 0 <= of.high
                seen.add(said)
    assert seen == {"better", "worse", "undecided"}
