"""Generated windows whose best possible answer is known: walks that turn by a hidden rotation.

A walk visits unit vectors x, R x, R^2 x, ... with one hidden rotation R for all of them. Its last vector d is a
document of the corpus; the C vectors before it are seen through normal noise,

    q_c = R^(c - C) d + s e_c,   c = 0 ... C - 1,   e_c ~ N(0, I).

The window as a whole is then one linear image of d, q = M d + noise, where M (C D, D) stacks the powers of R, and the
Bayes decision is the one of `nvf.tasks.synthetic`: `Task.truth` holds `map` M and `precision` 1 / s^2 (C D,). The noise
is independent for each vector, so the best predictor turns all of them and averages; the mean of the context averages
without turning, the last vector does neither.

Every document is the end of walks of one split only, so that nothing but R can be carried over to dev and test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nvf import seeding
from nvf.params import param
from nvf.tasks.assemble import assemble, make_corpus
from nvf.tasks.base import Judged, Task, answered
from nvf.tasks.outline import Look
from nvf.tasks.sources import Source
from nvf.types import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True, slots=True)
class WalksParams:
    """What is generated. At the defaults R@1 is near 0.19 for the last vector, 0.50 for the mean, 0.98 at best."""

    documents: int = param(1000, low=5, high=1_000_000, doc="number of documents, each the end of walks")
    dim: int = param(64, low=2, high=4096, doc="width of the vectors")
    context: int = param(5, low=1, high=100, doc="C, how many vectors of a walk are seen")
    turn: float = param(0.5, low=0.0, high=3.141592653589793, doc="largest angle of a step, in radians")
    noise: float = param(0.4, low=0.0001, high=10.0, doc="standard deviation of what is seen, per dimension")
    train: int = param(10_000, low=0, high=10_000_000, doc="number of training windows")
    dev: int = param(1_000, low=1, high=1_000_000, doc="number of dev windows")
    test: int = param(1_000, low=1, high=1_000_000, doc="number of test windows")
    seed: int = param(0, low=0, high=2**31 - 1, doc="seed of corpus, rotation and windows")


class Walks(Source[WalksParams]):
    """Generated walks."""

    name = "walks"
    summary = "generated windows with a known best answer: noisy views of walks that turn by a hidden rotation"
    Params = WalksParams

    def look(self, params: WalksParams) -> Look:
        """Return how many documents and queries are generated."""
        queries = {"train": params.train, "dev": params.dev, "test": params.test}
        return Look("walks", params.documents, queries, {}, [], context=params.context, truth=True)

    def load(self, params: WalksParams) -> Task:
        """Return the generated task; it has no texts."""
        rng = np.random.default_rng(seeding.derive("walks", params.seed))
        drawn = rng.standard_normal((params.documents, params.dim))
        documents: FloatArray = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        views = np.concatenate([rotation(params, steps) for steps in range(-params.context, 0)])
        counts = {"train": params.train, "dev": params.dev, "test": params.test}
        first, second = (round(share * params.documents) for share in (0.6, 0.8))
        ends = np.split(rng.permutation(params.documents), [first, second])
        return assemble(
            name="walks",
            source=self.options(params),
            corpus=make_corpus([f"d{row:07d}" for row in range(params.documents)], documents.astype(np.float32)),
            splits={
                name: _split(name, count, documents, rows, views, params)
                for (name, count), rows in zip(counts.items(), ends, strict=True)
            },
            truth={
                "map": views.astype(np.float32),
                "precision": np.full(len(views), params.noise**-2, dtype=np.float32),
            },
        )


def rotation(params: WalksParams, steps: int) -> FloatArray:
    """Return R^steps (D, D). R turns D // 2 orthogonal planes, drawn at random, by angles up to `turn`."""
    rng = np.random.default_rng(seeding.derive("walks", "rotation", params.seed))
    planes, _ = np.linalg.qr(rng.standard_normal((params.dim, params.dim)))
    turned: FloatArray = planes.copy()
    angles = steps * rng.uniform(0, params.turn, params.dim // 2)
    left, right = planes[:, 0 : 2 * len(angles) : 2], planes[:, 1 : 2 * len(angles) : 2]
    turned[:, 0 : 2 * len(angles) : 2] = left * np.cos(angles) + right * np.sin(angles)
    turned[:, 1 : 2 * len(angles) : 2] = right * np.cos(angles) - left * np.sin(angles)
    return np.asarray(turned @ planes.T)


def _split(
    name: str, count: int, documents: FloatArray, ends: IntArray, views: FloatArray, params: WalksParams
) -> Judged:
    rng = np.random.default_rng(seeding.derive("walks", name, params.seed))
    rows = ends[rng.integers(len(ends), size=count)]
    seen = documents[rows] @ views.T
    seen += params.noise * rng.standard_normal(seen.shape)
    windows = seen.astype(np.float32).reshape(count, params.context, params.dim)
    return answered([f"{name}-{row:07d}" for row in range(count)], windows, rows)
