"""What is a memory's gain on NFCorpus made of, and is it a leak?

    python benchmarks/remembering.py

prints nDCG@10 on dev (test is not touched), in a minute and a half on 1 core:

- parts: one setting of `memory`, the front's of search_spaces/pareto_nfcorpus.yaml, with this or that left out; trained
  on all judgements, and, as means over five draws, with a fifth of the judged documents withheld, over all and over
  cold ones. In the last row the judgements are permuted over the training queries: what is left is no memory's merit.
- nearness: dev in quarters by the cosine of the nearest training query. A leak by near-duplicates would show in the
  last quarter alone.
- draws: how much cold figures, and their differences to raw, depend on which fifth is withheld.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from nvf import paths, tasks
from nvf.measures.evaluate import Evaluation, depth, evaluate
from nvf.systems import create
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Task
from nvf.tasks.leakage import unit_rows
from nvf.text import table

MEASURE = "nDCG@10"
VIEWS = ("all", "cold")
DRAWS = 5
SETTING: dict[str, Any] = {
    "recall": "ridge", "ridge.temperature": 1.0, "ridge.penalty": 0.1, "lexical": 0.3, "weight": 1.0,
    "neighbours": 32, "document_temperature": 0.03, "self_share": 1.0, "novelty": 1.3,
}  # fmt: skip
ATTENTION = {"recall": "attention", "temperature": 0.065}
PARTS: dict[str, dict[str, Any]] = {
    "raw": {"lexical": 0, "weight": 0},
    "cosine + BM25": {"weight": 0},
    "cosine + attention": {**ATTENTION, "lexical": 0, "weight": 0.8},
    "cosine + ridge": {"lexical": 0},
    "cosine + BM25 + attention": {**ATTENTION, "weight": 1.2},
    "cosine + BM25 + ridge": {},
}


DRAWN: dict[str, tuple[str, dict[str, Any]]] = {
    "raw": ("raw", {}),
    "bm25": ("bm25", {}),
    "hybrid": ("hybrid", {}),
    "memory": ("memory", {}),
    "memory, no diffusion, nudged": ("memory", {"diffusion": False, "nudge.gamma": 0.3}),
    "nudge": ("nudge", {}),
}


def judged(task: Task, params: dict[str, Any], name: str = "memory") -> Evaluation:
    """Return how a system does on dev."""
    system, split = create(name, params, task.corpus), task.split("dev")
    system.prepare(task, 0)
    return evaluate(rank_split(system, split, depth([MEASURE], split)), split, task.cold, [MEASURE])


def permuted(task: Task, seed: int) -> Task:
    """Return the task with its training queries' judgements dealt out anew."""
    places = np.random.default_rng(seed).permutation(len(task.train))
    train = dataclasses.replace(task.train, qrels=task.train.qrels.select(places))
    return dataclasses.replace(task, splits={**task.splits, "train": train})


def parts(task: Task) -> str:
    """Return what each part adds."""
    withheld = [task.withhold(0.2, seed) for seed in range(DRAWS)]

    def row(name: str, params: dict[str, Any], full: Task, drawn: list[Task]) -> tuple[str, ...]:
        draws = [judged(each, SETTING | params).figures for each in drawn]
        means = [np.mean([each[view][MEASURE] for each in draws]) for view in VIEWS]
        return (name, *(f"{figure:.3f}" for figure in (judged(full, SETTING | params).figures["all"][MEASURE], *means)))

    rows = [row(name, params, task, withheld) for name, params in PARTS.items()]
    rows.append(
        row("... judgements permuted", {}, permuted(task, 0), [permuted(each, at) for at, each in enumerate(withheld)])
    )
    return table((f"{MEASURE} on dev", "all", "a fifth withheld, all", "cold"), rows)


def nearness(task: Task) -> str:
    """Return the figures in quarters of dev by the cosine of the nearest training query."""
    asked, held = (unit_rows(task.split(name).queries.vectors) for name in ("dev", "train"))
    nearest = (asked @ held.T).max(axis=1)
    sums, memory = (judged(task, SETTING | params).per_query["all"][MEASURE] for params in (PARTS["cosine + BM25"], {}))
    ends = np.quantile(nearest, [0, 0.25, 0.5, 0.75, 1])
    quarter = np.clip(np.searchsorted(ends, nearest, side="right") - 1, 0, 3)
    rows = [
        (
            f"{ends[at]:.2f} to {ends[at + 1]:.2f}",
            (quarter == at).sum(),
            *(f"{figures[quarter == at].mean():.3f}" for figures in (sums, memory)),
        )
        for at in range(4)
    ]
    return table(("nearest training query", "queries", "no memory", "memory"), rows)


def draws(task: Task) -> str:
    """Return all and cold figures over draws of what is withheld, and how far cold lies from raw on the same draw."""
    withheld = [task.withhold(0.2, seed) for seed in range(DRAWS)]
    figures = {
        label: np.array([[judged(each, params, name).figures[view][MEASURE] for view in VIEWS] for each in withheld])
        for label, (name, params) in DRAWN.items()
    }
    rows = []
    for label, of in figures.items():
        beyond = (of - figures["raw"])[:, 1]
        ends = (f"{beyond.min():+.3f} to {beyond.max():+.3f}", f"{beyond.std(ddof=1):.4f}")
        rows.append((label, *(f"{column.mean():.4f} ± {column.std(ddof=1):.4f}" for column in of.T), *ends))
    return table((f"{MEASURE} on dev", *VIEWS, "cold minus raw", "its deviation"), rows)


def nfcorpus() -> Task:
    """Return NFCorpus with its stored vectors."""
    vectors = f"{paths.data()}/embeddings/minilm-256/nfcorpus"
    return tasks.build({"source": "beir", "path": f"{paths.data()}/beir/nfcorpus", "vectors": vectors})


if __name__ == "__main__":
    print(*(make(nfcorpus()) for make in (parts, nearness, draws)), sep="\n\n")
