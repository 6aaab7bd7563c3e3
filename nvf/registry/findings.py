"""What a confirmation found, as types: figures, spreads, paired comparisons, the winner's curse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TypeVar

import numpy as np
from scipy import stats

from nvf.journal.facts import Published
from nvf.journal.kinds import Replicated
from nvf.journal.replay import SweepState, TrialState
from nvf.journal.result import Chosen, Finalist, Gap, OverDraws, Pair, Spread
from nvf.measures.comparison import Comparison
from nvf.measures.objective import LATENCIES
from nvf.measures.parse import VIEWS
from nvf.measures.significance import compare, holm
from nvf.registry.finalists import objective
from nvf.registry.judging import Judged, mean
from nvf.training.record import Record
from nvf.types import Figures, FloatArray

Key = TypeVar("Key")


def compared(
    finalists: Mapping[int, Judged], others: Mapping[str, Judged], measure: str
) -> dict[int, dict[str, dict[str, Comparison]]]:
    """Compare every finalist with every other ranking, query by query.

    Returns finalist -> name -> view -> comparison. p is adjusted for there being several finalists (Holm), for each
    name and view by itself.
    """
    found: dict[int, dict[str, dict[str, Comparison]]] = {number: {} for number in finalists}
    for name, other in others.items():
        for view, by_measure in other.table.items():
            lines = {
                number: compare(own.table[view][measure], by_measure[measure]) for number, own in finalists.items()
            }
            for number, line in adjusted(lines).items():
                found[number].setdefault(name, {})[view] = line
    return found


def by_view(finalists: Mapping[int, Judged], measure: str) -> dict[str, dict[int, FloatArray]]:
    """Return view -> finalist -> (S, Q) figures, for the views that every finalist has."""
    views = [view for view in VIEWS if all(view in judged.table for judged in finalists.values())]
    return {view: {number: judged.table[view][measure] for number, judged in finalists.items()} for view in views}


def pairwise(tables: Mapping[str, Mapping[int, FloatArray]]) -> list[Pair]:
    """Compare every two finalists with each other; `tables` has the figures (S, Q) of each, by view.

    p is adjusted for there being several pairs (Holm), for each view by itself.
    """
    found: dict[tuple[int, int], dict[str, Comparison]] = {}
    for view, table in tables.items():
        pairs = {(one, other): compare(table[one], table[other]) for one, other in combinations(table, 2)}
        for (one, other), line in adjusted(pairs).items():
            found.setdefault((one, other), {})[view] = line
    return [Pair(one, other, **lines) for (one, other), lines in found.items()]


def adjusted(lines: Mapping[Key, Comparison]) -> dict[Key, Comparison]:
    """Return comparisons with their p values adjusted for there being several (Holm)."""
    ps = holm([line.p for line in lines.values()])
    return {key: replace(line, p=p) for (key, line), p in zip(lines.items(), ps, strict=True)}


def finalist(
    state: SweepState,
    trial: TrialState,
    full: Sequence[Replicated],
    withheld: Sequence[Replicated],
    judged: Judged,
    against: dict[str, dict[str, Comparison]],
    against_champion: dict[str, Comparison] | None,
    size: Callable[[Published], int],
) -> Finalist:
    """Return what is said of one finalist, given its trainings on all judgements (`full`) and with a share withheld.

    `judged`, `against` and `against_champion` say how they do on test, and how that compares with each floor and the
    reigning version; `size` gives the bytes of a checkpoint's tensors.
    """
    by, as_searched = objective(state, withheld=False), objective(state, withheld=True)
    of_full, of_withheld = _records(full), _records(withheld)
    values = [by.of(record) for record in of_full]
    dev = spread([as_searched.of(record) for record in of_withheld] or values)
    middle = sorted(range(len(full)), key=lambda place: (values[place] or 0.0, place))[(len(full) - 1) // 2]
    published = full[middle].checkpoint
    assert published is not None, "one that failed is trained again first"
    p50, p95 = (float(np.median([record.clock[name] for record in of_full])) for name in LATENCIES)
    return Finalist(
        trial=trial.number,
        system=trial.system,
        params=trial.chosen,
        settings=trial.settings,
        seeds=len(full),
        dev=dev,
        dev_all_judgements=spread(values),
        test=judged.figures,
        test_by_seed=judged.trainings,
        statistics=judged.statistics,
        withheld=over_draws(judged.withheld),
        gap=_gap(state, trial, dev, judged),
        latency_ms_p50=p50,
        latency_ms_p95=p95,
        diagnoses=sorted({each.name for record in (*of_full, *of_withheld) for each in record.diagnoses}),
        champion=Chosen(
            seed=full[middle].part.seed,
            place=full[middle].part.place,
            record=of_full[middle],
            checkpoint=published,
            test=judged.trainings[middle],
            bytes=size(published),
        ),
        against=against,
        against_champion=against_champion,
    )


def _records(trainings: Sequence[Replicated]) -> list[Record]:
    return [each.record for each in trainings if each.record is not None]


def over_draws(withheld: Sequence[Figures]) -> OverDraws:
    """Return mean and standard deviation over the draws, and the figures of each."""
    if not withheld:
        return OverDraws(0, {}, {})
    means = mean(withheld)
    sds = {
        view: {measure: spread([each[view][measure] for each in withheld]).sd for measure in by_measure}
        for view, by_measure in means.items()
    }
    return OverDraws(len(withheld), means, sds, list(withheld))


def spread(values: Sequence[float | None]) -> Spread:
    """Return mean and standard deviation (over n - 1; None of a single value) of what is there.

    >>> spread([0.25, 0.75]).mean
    0.5
    """
    there = [value for value in values if value is not None]
    return Spread(
        float(np.mean(there)) if there else None, float(np.std(there, ddof=1)) if len(there) > 1 else None, list(values)
    )


def stability(rows: Sequence[Finalist]) -> float | None:
    """Return how far the order of the finalists on dev is the same for every seed.

    It is the mean over seeds of Kendall's tau between a seed's order and that of the means over the other seeds: 1
    where each seed orders them alike. None where there is nothing to order.
    """
    values = np.array([row.dev.values for row in rows if None not in row.dev.values], dtype=float)
    if values.ndim < 2 or min(values.shape) < 2:
        return None
    taus = [
        stats.kendalltau(values[:, seed], np.delete(values, seed, axis=1).mean(1)).statistic
        for seed in range(values.shape[1])
    ]
    return float(np.mean(taus)) if np.isfinite(taus).all() else None


def _gap(state: SweepState, trial: TrialState, dev: Spread, judged: Judged) -> Gap:
    own = state.objectives[0]
    searched = trial.best(own)
    test = mean(judged.withheld) if judged.withheld else judged.figures
    return Gap(own.of(searched), dev.mean, own.of_figures(test))
