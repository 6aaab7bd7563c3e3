"""What a trial's epoch costs beside a plain PyTorch loop that trains the same weights on the same batches.

    python benchmarks/step.py [--queries 4096] [--documents 3633] [--dim 384] [--rounds 20]

The plain loop is what one would write by hand: tensors in memory, a permutation, a forward pass, Adam. Both start from
the same weights and see the same queries in the same order, and the weights at the end are compared: were they not the
same, the times would mean nothing. Each round trains one epoch of each, so that a busy machine slows both alike.

An epoch of a trial is also judged on dev and published as a checkpoint; that is shown beside it, in milliseconds.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nvf import seeding, systems, tasks
from nvf.tasks.base import Task
from nvf.training import checkpoint
from nvf.training.loop import Training

BATCH = 128
Forward = Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]


def linear(module: nn.Module, queries: Tensor, corpus: Tensor, positives: Tensor) -> Tensor:
    """Return InfoNCE over the corpus for a shared head x + W x."""
    head = module["query"]  # type: ignore[index]
    moved = F.normalize(queries + head(queries), dim=1)
    return F.cross_entropy(moved @ F.normalize(corpus + head(corpus), dim=1).T / 0.05, positives)


def attention(module: nn.Module, queries: Tensor, corpus: Tensor, positives: Tensor) -> Tensor:
    """Return the cross-entropy of the attention over the corpus."""
    return F.cross_entropy(module(queries) @ corpus.T, positives)


def next_vector(module: nn.Module, windows: Tensor, corpus: Tensor, positives: Tensor) -> Tensor:
    """Return the autoregressive cosine loss."""
    return (1 - F.cosine_similarity(module(windows), corpus[positives])).mean()


CASES: dict[str, tuple[str, dict[str, Any], Forward]] = {
    "linear": ("synthetic", {"batch_size": BATCH}, linear),
    "soft_attention": ("synthetic", {"batch_size": BATCH}, attention),
    "amn": ("walks", {"batch_size": BATCH}, next_vector),
}
"""System -> the source of its task, its parameters, and the same loss by hand."""


def plain_epoch(
    module: nn.Module, optimiser: torch.optim.Adam, forward: Forward, task: Task, seed: int, epoch: int
) -> float:
    """Train one epoch as one would by hand; returns the mean loss."""
    module.train()
    queries, corpus = torch.tensor(task.train.queries.vectors), torch.from_numpy(task.corpus.vectors)
    positives = torch.from_numpy(task.train.qrels.rows)
    order = np.random.default_rng(seeding.derive("pairs", seed, epoch)).permutation(len(queries))
    total = 0.0
    for rows in torch.from_numpy(order).split(BATCH):  # type: ignore[no-untyped-call]
        loss = forward(module, queries[rows], corpus, positives[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += len(rows) * loss.item()
    return total / len(queries)


def compare(name: str, options: argparse.Namespace) -> None:
    """Time one system both ways and print its row."""
    source, params, forward = CASES[name]
    shape = {"documents": options.documents, "dim": options.dim, "train": options.queries, "dev": 324, "test": 1}
    task = tasks.build({"source": source, **shape})
    system = systems.create(name, params, task.corpus)
    training = Training(system, task, seed=0, epochs=options.rounds + 1, measures=["nDCG@10", "R@5"])
    training.start()
    module = copy.deepcopy(system.module())
    assert module is not None
    lr = system.parameter_groups()[0]["lr"]
    optimiser = torch.optim.Adam([each for each in module.parameters() if each.requires_grad], lr=lr)

    own, plain, ratios, judged, published = [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for epoch in range(1, options.rounds + 2):
            record = training.epoch(epoch)
            began = time.perf_counter()
            checkpoint.save(Path(folder) / f"{epoch}", training, record)
            saved = time.perf_counter() - began
            began = time.perf_counter()
            plain_epoch(module, optimiser, forward, task, 0, epoch)
            taken = time.perf_counter() - began
            if epoch > 1:  # the first one of both pays for warming up
                own.append(record.clock["seconds"])
                plain.append(taken)
                ratios.append(own[-1] / taken)
                judged.append(record.clock["seconds_evaluating"])
                published.append(saved)

    pairs = zip(module.parameters(), system.module().parameters(), strict=True)  # type: ignore[union-attr]
    apart = max((left - right).abs().max().item() for left, right in pairs)
    times = "".join(f"{1e3 * statistics.median(each):>10.0f}" for each in (own, plain, judged, published))
    print(f"{name:16}{times}{statistics.median(ratios):>8.3f}{apart:>14.1e}")


def main() -> None:
    """Parse, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=4096)
    parser.add_argument("--documents", type=int, default=3633)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    shape = f"{options.queries} queries, {options.documents} documents, D {options.dim}"
    print(f"{shape}: milliseconds, median of {options.rounds} epochs")
    print(f"{'':16}{'epoch':>10}{'plain':>10}{'judging':>10}{'saving':>10}{'ratio':>8}{'weights apart':>14}")
    for name in CASES:
        compare(name, options)


if __name__ == "__main__":
    main()
