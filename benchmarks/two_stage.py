"""Does the reranker reach the seeds' targets, does it ever harm, and which one is it: nvf's, or the published one?

    python benchmarks/two_stage.py --seeds 5

trains `two_stage` on generated corpora (1,000 documents, D 128, noise 0.17 per dimension, 20,000 training queries under
a hidden rotation) and prints, over seeds, Success@1 on 2,000 test queries beside that of stage one and of the Bayes
decision. All rerankers of a row stand over one and the same stage one:

- full: no rank limit, K 5. The pipeline should reach 0.99 of the Bayes decision, and not lie under stage one.
- rank 72, K 5: the true document is among stage one's 5 for 97 % of the queries, as in the seeds. On clusters of spread
  0.05 it is first for 70 %: the seeds' own start, 68 / 97.
- rank 48, K 32: on the other corpora that is first for 70 %, and among 32 for 98 %. Long.

The targets of the seeds are 0.90 (stretch 0.95) on uniform and 0.88 (0.93) on clustered.

    python benchmarks/two_stage.py trainings --seeds 5

compares separate training with joint training by each top-k mode, with and without the direct gradient. The gradients
are mean lengths, at held-out queries, of the gradient of the reranker's loss: through the choice of candidates, and
through the reranker. A target of the seeds is that the latter is not 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from nvf import tasks
from nvf.diagnostics.stages import HARMFUL
from nvf.measures.evaluate import evaluate
from nvf.systems import create
from nvf.systems.two_stage import TwoStage
from nvf.tasks.base import Task
from nvf.topk import MODES
from nvf.training.loop import Training

STAGES: dict[str, dict[str, Any]] = {
    "full": {},
    "rank 72, K 5": {"stage_one.rank": 72},
    "rank 48, K 32": {"stage_one.rank": 48, "depth": 32, "reranker.epochs": 8},
}
PUBLISHED = {"reranker.prior": False, "reranker.view": False, "reranker.initial": "default", "reranker.gated": False}
RERANKERS: dict[str, dict[str, Any]] = {
    "nvf's": {},
    "published, transformed query": {**PUBLISHED, "reranker.sees": "transformed"},
    "published, raw query": {**PUBLISHED, "reranker.sees": "raw"},
    "published and stage one's logit": {**PUBLISHED, "reranker.sees": "transformed", "reranker.prior": True},
}
CORPORA: dict[str, dict[str, Any]] = {
    "uniform": {"corpus": "uniform"},
    **{
        f"clustered, spread {spread}, {balance}": {"corpus": "clustered", "spread": spread, "balance": balance}
        for balance in ("even", "uneven")
        for spread in (0.05, 0.1, 0.2)
    },
}
TRAININGS: dict[str, dict[str, Any]] = {
    "separate": {},
    **{f"joint, {mode}": {"training": "joint", "topk": mode} for mode in MODES},
    **{f"joint, {mode}, direct": {"training": "joint", "topk": mode, "direct": True} for mode in MODES},
}
SHOWN = tuple(RERANKERS)[:3]
"""The last of `RERANKERS` tells what the published one lacks; it is long, and so only made when asked for."""


def generated(corpus: str, seed: int, hidden: str = "rotation", **shape: int) -> Task:
    """Return a corpus of `CORPORA` with its queries."""
    return tasks.build({"source": "synthetic", "map": hidden, "seed": seed, "dev": 32, **CORPORA[corpus], **shape})


def bayes(task: Task) -> float:
    """Return Success@1 of the Bayes decision on test."""
    oracle = create("oracle", {}, task.corpus)
    oracle.prepare(task, 0)
    test = task.split("test")
    return evaluate(oracle.rank(test.queries, 1), test, None, ["Success@1"]).figures["all"]["Success@1"]


def trained(task: Task, params: Mapping[str, Any], seed: int, stage_one: TwoStage | None = None) -> TwoStage:
    """Train a pipeline, over the stage one of another where one is given: that of equal parameters and seed."""
    system = create("two_stage", params, task.corpus)
    assert isinstance(system, TwoStage)
    training = Training(system, task, seed=seed, epochs=100, measures=["Success@1"])
    training.start()
    first = 1
    if stage_one is not None:
        pipeline: Any = system.module()
        pipeline.stage_one.load_state_dict(stage_one.module().get_submodule("stage_one").state_dict())
        first = 1 + system.params.stage_one.epochs
    for epoch in range(first, training.epochs + 1):
        if not training.epoch(epoch).losses:
            break
    return system


def row(system: TwoStage, task: Task) -> dict[str, float]:
    """Return the figures of a trained pipeline on test."""
    test, best = task.split("test"), bayes(task)
    stages = system.stages(test)
    first = evaluate(system.stage_one(test.queries, 5), test, None, ["Success@5"]).figures["all"]["Success@5"]
    return {
        "bayes": best,
        "top-1": stages.stage_one,
        "top-5": first,
        "top-K": 1 - stages.missed,
        "pipeline": stages.pipeline,
        "of bayes": stages.pipeline / best,
        "change": stages.pipeline - stages.stage_one,
    }


def compared(task: Task, stage: str, rerankers: Sequence[str], seed: int) -> dict[str, dict[str, float]]:
    """Return a row for each of `rerankers`, all over the same stage one."""
    systems: dict[str, TwoStage] = {}
    for name in rerankers:
        shared = next(iter(systems.values()), None)
        systems[name] = trained(task, {**STAGES[stage], **RERANKERS[name]}, seed, shared)
    return {name: row(system, task) for name, system in systems.items()}


def mean(rows: Sequence[Mapping[str, float]], name: str, digits: int = 3) -> str:
    """Return the mean over seeds."""
    return f"{np.mean([each[name] for each in rows]):.{digits}f}"


def cell(rows: Sequence[Mapping[str, float]]) -> str:
    """Return the pipeline's mean and standard deviation over seeds, its share of Bayes, and whether it harms."""
    deviation = np.std([each["pipeline"] for each in rows], ddof=1) if len(rows) > 1 else 0.0
    harms = sum(each["change"] < -HARMFUL for each in rows)
    text = f"{mean(rows, 'pipeline')} ± {deviation:.3f} ({mean(rows, 'of bayes')})"
    return text + (f", harms in {harms} of {len(rows)}" if harms else "")


def table(
    seeds: int = 5,
    corpora: Sequence[str] = tuple(CORPORA),
    stages: Sequence[str] = ("full", "rank 72, K 5"),
    rerankers: Sequence[str] = SHOWN,
    hidden: str = "rotation",
) -> str:
    """Return, in Markdown, Success@1 of each reranker over seeds: mean ± deviation (share of Bayes)."""
    lines = [
        f"| corpus | stage one | Bayes | alone: top-1 / 5 / K (share of Bayes) | {' | '.join(rerankers)} |",
        "| " + " | ".join(["---"] * (4 + len(rerankers))) + " |",
    ]
    for stage in stages:
        for corpus in corpora:
            found = [compared(generated(corpus, seed, hidden), stage, rerankers, seed) for seed in range(seeds)]
            first = [each[rerankers[0]] for each in found]
            share = float(np.mean([each["top-1"] / each["bayes"] for each in first]))
            alone = " / ".join(mean(first, name) for name in ("top-1", "top-5", "top-K"))
            cells = " | ".join(cell([each[name] for each in found]) for name in rerankers)
            lines.append(f"| {corpus} | {stage} | {mean(first, 'bayes')} | {alone} ({share:.3f}) | {cells} |")
    return "\n".join(lines)


def trainings(seeds: int = 5, corpus: str = "uniform", stage: str = "rank 72, K 5") -> str:
    """Return, in Markdown, separate training beside joint training by each top-k mode, over seeds."""
    lines = [
        "| training, top-k | stage one top-1 / top-5 | pipeline top-1 | gradient at the query, through the choice "
        "| through the reranker |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, params in TRAININGS.items():
        rows = []
        for seed in range(seeds):
            task = generated(corpus, seed)
            system = trained(task, {**STAGES[stage], **params}, seed)
            rows.append({**row(system, task), **system.query_gradients()})
        choice = mean(rows, "query_gradient") if any(each["query_gradient"] for each in rows) else "exactly 0"
        first = f"{mean(rows, 'top-1')} / {mean(rows, 'top-5')}"
        lines.append(f"| {name} | {first} | {cell(rows)} | {choice} | {mean(rows, 'query_gradient_reranker')} |")
    return "\n".join(lines)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="rerankers", choices=["rerankers", "trainings"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--corpora", nargs="+", default=list(CORPORA), choices=list(CORPORA))
    parser.add_argument("--stages", nargs="+", default=["full", "rank 72, K 5"], choices=list(STAGES))
    parser.add_argument("--rerankers", nargs="+", default=list(SHOWN), choices=list(RERANKERS))
    parser.add_argument("--map", default="rotation", choices=["none", "rotation"])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.what == "trainings":
        print(trainings(options.seeds))
    else:
        print(table(options.seeds, options.corpora, options.stages, options.rerankers, options.map))


if __name__ == "__main__":
    main()
