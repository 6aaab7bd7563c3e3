"""What a confirmation found, as plain data: figures, spreads, paired comparisons, the winner's curse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
from scipy import stats

from nvf.journal.events import Event
from nvf.journal.replay import SweepState, TrialState
from nvf.measures.comparison import Comparison
from nvf.measures.parse import VIEWS
from nvf.measures.significance import compare, holm
from nvf.registry.finalists import objective
from nvf.registry.judging import Judged, mean
from nvf.types import Figures, FloatArray

Key = TypeVar("Key")


def measure_of(state: SweepState) -> str:
    """Return the measure that is compared: the sweep's first one, whatever its view."""
    return next((each.name for each in state.objectives if each.view), "nDCG@10")


def compared(finalists: Mapping[int, Judged], others: Mapping[str, Judged], measure: str) -> dict[int, dict[str, Any]]:
    """Compare every finalist with every other ranking, query by query.

    Returns finalist -> name -> a `Comparison` as plain data over all queries, with the same once more for each view
    under `all`, `clean`, `cold`. p is adjusted for there being several finalists (Holm), for each name and view by
    itself.
    """
    found: dict[int, dict[str, Any]] = {number: {} for number in finalists}
    for name, other in others.items():
        for view, by_measure in other.table.items():
            lines = {
                number: compare(own.table[view][measure], by_measure[measure]) for number, own in finalists.items()
            }
            for number, line in adjusted(lines).items():
                found[number].setdefault(name, {}).update(line if view == "all" else {}, **{view: line})
    return found


def by_view(finalists: Mapping[int, Judged], measure: str) -> dict[str, dict[int, FloatArray]]:
    """Return view -> finalist -> (S, Q) figures, for the views that every finalist has."""
    views = [view for view in VIEWS if all(view in judged.table for judged in finalists.values())]
    return {view: {number: judged.table[view][measure] for number, judged in finalists.items()} for view in views}


def pairwise(tables: Mapping[str, Mapping[int, FloatArray]]) -> list[dict[str, Any]]:
    """Compare every two finalists with each other; `tables` has the figures (S, Q) of each, by view.

    Returns an entry for each pair, {trial, other} and a `Comparison` of the trial to the other for each view. p is
    adjusted for there being several pairs (Holm), for each view by itself.
    """
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for view, table in tables.items():
        pairs = {(one, other): compare(table[one], table[other]) for one, other in combinations(table, 2)}
        for (one, other), line in adjusted(pairs).items():
            found.setdefault((one, other), {"trial": one, "other": other})[view] = line
    return list(found.values())


def each_pair(pairs: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, int, dict[str, Comparison]]]:
    """Yield journaled pairs of finalists both ways round: one, another, and the comparison of the one to it by view."""
    for pair in pairs:
        lines = {view: Comparison.of(pair[view]) for view in VIEWS if view in pair}
        yield pair["trial"], pair["other"], lines
        yield pair["other"], pair["trial"], {view: line.turned() for view, line in lines.items()}


def adjusted(lines: Mapping[Key, Comparison]) -> dict[Key, dict[str, Any]]:
    """Return comparisons as plain data, with their p values adjusted for there being several (Holm)."""
    ps = holm([line.p for line in lines.values()])
    return {key: {**asdict(line), "p": p} for (key, line), p in zip(lines.items(), ps, strict=True)}


def finalist(
    state: SweepState, trial: TrialState, full: Sequence[Event], withheld: Sequence[Event], judged: Judged
) -> dict[str, Any]:
    """Return what is said of one finalist, but for its comparisons.

    Parameters
    ----------
    state, trial
        The sweep, and the finalist in it.
    full, withheld
        Its `replicate` events: on all judgements, and with a share withheld.
    judged
        How they do on test.
    """
    by, as_searched = objective(state, withheld=False), objective(state, withheld=True)
    values = [by.of(each["record"]) for each in full]
    dev = spread([as_searched.of(each["record"]) for each in withheld] or values)
    middle = sorted(range(len(full)), key=lambda place: (values[place] or 0.0, place))[(len(full) - 1) // 2]
    champion = full[middle]
    return {
        "trial": trial.number,
        "system": trial.system,
        "params": trial.chosen,
        "settings": trial.settings,
        "seeds": len(full),
        "dev": dev,
        "dev_all_judgements": spread(values),
        "test": judged.figures,
        "test_by_seed": judged.trainings,
        "statistics": judged.statistics,
        "withheld": over_draws(judged.withheld),
        "gap": _gap(state, trial, dev, judged),
        **{name: _median(full, name) for name in ("latency_ms_p50", "latency_ms_p95")},
        "diagnoses": sorted({found["name"] for each in (*full, *withheld) for found in each["record"]["diagnoses"]}),
        "champion": {
            "seed": champion["part"]["seed"],
            "place": champion["part"]["place"],
            "record": champion["record"],
            "checkpoint": champion["checkpoint"],
            "test": judged.trainings[middle],
        },
    }


def over_draws(withheld: Sequence[Figures]) -> dict[str, Any]:
    """Return mean and standard deviation over the draws, and the figures of each."""
    if not withheld:
        return {"draws": 0, "mean": {}, "sd": {}, "figures": []}
    means = mean(withheld)
    sds = {
        view: {measure: spread([each[view][measure] for each in withheld])["sd"] for measure in by_measure}
        for view, by_measure in means.items()
    }
    return {"draws": len(withheld), "mean": means, "sd": sds, "figures": list(withheld)}


def spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Return mean and standard deviation (over n - 1; None of a single value) of what is there.

    >>> spread([0.25, 0.75])["mean"]
    0.5
    """
    there = [value for value in values if value is not None]
    return {
        "mean": float(np.mean(there)) if there else None,
        "sd": float(np.std(there, ddof=1)) if len(there) > 1 else None,
        "values": list(values),
    }


def stability(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Return how far the order of the finalists on dev is the same for every seed.

    It is the mean over seeds of Kendall's tau between a seed's order and that of the means over the other seeds: 1
    where each seed orders them alike. None where there is nothing to order.
    """
    values = np.array([row["dev"]["values"] for row in rows if None not in row["dev"]["values"]], dtype=float)
    if values.ndim < 2 or min(values.shape) < 2:
        return None
    taus = [
        stats.kendalltau(values[:, seed], np.delete(values, seed, axis=1).mean(1)).statistic
        for seed in range(values.shape[1])
    ]
    return float(np.mean(taus)) if np.isfinite(taus).all() else None


def _gap(state: SweepState, trial: TrialState, dev: Mapping[str, Any], judged: Judged) -> dict[str, Any]:
    """Return the winner's curse by the sweep's first measure: dev of the search, dev of the replicates, test.

    All three with the share withheld, where the sweep withholds one; a latency has no figure on test.
    """
    own = state.objectives[0]
    searched = trial.best(own)
    test = mean(judged.withheld) if judged.withheld else judged.figures
    return {
        "search_dev": None if searched is None else own.of(searched),
        "replicates_dev": dev["mean"],
        "test": own.of_figures(test),
    }


def _median(events: Sequence[Event], name: str) -> float:
    return float(np.median([each["record"]["clock"][name] for each in events]))
