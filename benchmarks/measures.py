"""How quick the vectorised measures are against pytrec_eval and ir_measures, in one run and on the same hits.

    python benchmarks/measures.py [--queries 323] [--hits 100] [--judgements 12334] [--rounds 15]

The defaults have NFCorpus' size. Peers are timed twice: with the dictionaries that they read made beforehand, and from
the tensors that a system returns. Each round times every row once, so that a busy machine slows them alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import ir_measures
import numpy as np
import pytrec_eval
import torch

from nvf.indexes.exact import top_k
from nvf.measures import fast, judge
from nvf.tasks.base import Qrels
from nvf.types import Ranking

MEASURES = ["nDCG@10", "R@1", "R@5", "R@10", "R@100", "Success@1"]  # RR@10 is not among pytrec_eval's
DOCUMENTS = 3633


def make_case(queries: int, hits: int, judgements: int) -> tuple[Ranking, Qrels, list[str]]:
    """Return hits and judgements of random documents; half of the judged ones score high."""
    random = np.random.default_rng(0)
    places = random.choice(queries * DOCUMENTS, judgements, replace=False)
    rows, columns = np.divmod(places, DOCUMENTS)
    qrels = Qrels.from_triples(queries, np.stack([rows, columns, random.integers(1, 3, judgements)], axis=1))
    scores = random.random((queries, DOCUMENTS), dtype=np.float32)
    scores[rows[::2], columns[::2]] += 0.5
    ids = [f"MED-{row:05d}" for row in range(DOCUMENTS)]
    return Ranking(*top_k(torch.from_numpy(scores), hits, torch.arange(DOCUMENTS))), qrels, ids


def contestants(ranking: Ranking, qrels: Qrels, ids: list[str]) -> dict[str, Callable[[], Any]]:
    """Return what is timed, by the name of its row."""
    run, judged = judge.as_run(ranking, ids), judge.as_qrels(qrels, ids)
    evaluator = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10", "recall.1,5,10,100", "success.1"})
    provider = ir_measures.evaluator([ir_measures.parse_measure(text) for text in MEASURES], judged)
    return {
        "nvf": lambda: fast.per_query(ranking, qrels, MEASURES),
        "pytrec_eval, dictionaries ready": lambda: evaluator.evaluate(run),
        "pytrec_eval, from tensors": lambda: evaluator.evaluate(judge.as_run(ranking, ids)),
        "ir_measures, dictionaries ready": lambda: list(provider.iter_calc(run)),
        "ir_measures, from tensors": lambda: list(provider.iter_calc(judge.as_run(ranking, ids))),
    }


def main() -> None:
    """Parse, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=323)
    parser.add_argument("--hits", type=int, default=100)
    parser.add_argument("--judgements", type=int, default=12_334)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()

    ranking, qrels, ids = make_case(options.queries, options.hits, options.judgements)
    rows = contestants(ranking, qrels, ids)
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    for name, call in (pair for _ in range(options.rounds) for pair in rows.items()):
        start = time.perf_counter()
        call()
        seconds[name].append(time.perf_counter() - start)
    own = statistics.median(seconds["nvf"])
    print(f"{options.queries} queries x {options.hits} hits, {options.judgements:,} judgements, {', '.join(MEASURES)}")
    print(f"{'':34}{'median ms':>10}{'ratio':>8}")
    for name, taken in seconds.items():
        print(f"{name:34}{1e3 * statistics.median(taken):>10.2f}{statistics.median(taken) / own:>8.1f}")
    quick, exact = fast.per_query(ranking, qrels, MEASURES), judge.per_query(ranking, qrels, ids, MEASURES)
    print(f"largest difference of a figure: {max(np.abs(quick[text] - exact[text]).max() for text in MEASURES):.1e}")


if __name__ == "__main__":
    main()
