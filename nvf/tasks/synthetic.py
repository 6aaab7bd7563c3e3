"""A generated corpus whose best possible ranking is known.

A query is the image of its document under a hidden linear map M, plus normal noise: q = M d + s * e, e ~ N(0, I), with
a standard deviation s_j for each dimension. Every document is asked for equally often, so that the Bayes decision for q
is the document with the largest log-posterior

    -(q - M d)^T P (q - M d) / 2,   P = diag(1 / s_j^2),

and `Task.truth` holds `map` M (D, D) and `precision` diag(P) (D,). Queries are not normalised: their length is
evidence.
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
class SyntheticParams:
    """What is generated."""

    corpus: str = param(
        "uniform", choices=("uniform", "clustered"), doc="documents everywhere on the sphere, or around centroids"
    )
    documents: int = param(1000, low=2, high=1_000_000, doc="number of documents")
    dim: int = param(128, low=2, high=4096, doc="width of the vectors")
    clusters: int = param(100, low=1, high=100_000, doc="number of centroids of a clustered corpus")
    spread: float = param(0.2, low=0.0, high=10.0, doc="standard deviation around a centroid, per dimension")
    balance: str = param(
        "even",
        choices=("even", "uneven"),
        doc="clusters of equal size and spread, or of sizes and spreads a decade apart",
    )
    noise: float = param(
        0.17, low=0.0001, high=10.0, doc="standard deviation of a query around its document, per dimension"
    )
    map: str = param(
        "none",
        choices=("none", "rotation", "anisotropic"),
        doc="none: document plus noise; rotation: a hidden orthogonal map first; anisotropic: noisier dimensions",
    )
    anisotropy: float = param(
        4.0, low=1.0, high=1000.0, doc="how much larger the noise is in the noisier quarter of dimensions"
    )
    train: int = param(20_000, low=0, high=10_000_000, doc="number of training queries")
    dev: int = param(2_000, low=1, high=1_000_000, doc="number of dev queries")
    test: int = param(2_000, low=1, high=1_000_000, doc="number of test queries")
    seed: int = param(0, low=0, high=2**31 - 1, doc="seed of corpus, map and queries")


class Synthetic(Source[SyntheticParams]):
    """Generated vectors."""

    name = "synthetic"
    summary = "a generated corpus with a known best ranking: uniform or clustered, queries with noise and a hidden map"
    Params = SyntheticParams

    def look(self, params: SyntheticParams) -> Look:
        """Return how many documents and queries are generated."""
        queries = {"train": params.train, "dev": params.dev, "test": params.test}
        return Look(_name(params), params.documents, queries, {}, [], truth=True)

    def load(self, params: SyntheticParams) -> Task:
        """Return the generated task; it has no texts."""
        documents, _ = _drawn(params)
        ids = [f"d{row:07d}" for row in range(params.documents)]
        hidden, deviation = _map(params), _deviation(params)
        counts = {"train": params.train, "dev": params.dev, "test": params.test}
        splits = {name: _split(name, count, documents, hidden, deviation, params) for name, count in counts.items()}
        return assemble(
            name=_name(params),
            source=self.options(params),
            corpus=make_corpus(ids, documents),
            splits=splits,
            truth={"map": hidden, "precision": (deviation**-2).astype(np.float32)},
        )


def _rng(params: SyntheticParams, part: str) -> np.random.Generator:
    return np.random.default_rng(seeding.derive("synthetic", part, params.seed))


def _normalised(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def _name(params: SyntheticParams) -> str:
    return f"synthetic/{params.corpus}" + ("" if params.map == "none" else f"-{params.map}")


def clusters(params: SyntheticParams) -> IntArray:
    """Return (N,) the cluster that each document was drawn from; 0 for all documents of a uniform corpus."""
    return _drawn(params)[1]


def _drawn(params: SyntheticParams) -> tuple[FloatArray, IntArray]:
    """Return (N, D) unit documents and their clusters: normalise(centroid + spread * N(0, I)) around unit centroids."""
    rng = _rng(params, "documents")
    noise = rng.standard_normal((params.documents, params.dim))
    if params.corpus == "uniform":
        return _normalised(noise), np.zeros(params.documents, dtype=np.int64)
    centroids = _normalised(rng.standard_normal((params.clusters, params.dim)))
    cluster: IntArray = np.arange(params.documents) * params.clusters // params.documents
    spread = np.full(params.clusters, params.spread)
    if params.balance == "uneven":
        cluster = _uneven(rng, params)
        spread *= 10.0 ** rng.uniform(-0.5, 0.5, params.clusters)
    return _normalised(centroids[cluster] + spread[cluster, None] * noise), cluster


def _uneven(rng: np.random.Generator, params: SyntheticParams) -> IntArray:
    weights = 10.0 ** rng.uniform(0, 1, params.clusters)
    return np.sort(rng.choice(params.clusters, size=params.documents, p=weights / weights.sum()))


def _map(params: SyntheticParams) -> FloatArray:
    """Return M (D, D): the identity, or an orthogonal matrix drawn from the uniform (Haar) distribution."""
    if params.map != "rotation":
        return np.eye(params.dim, dtype=np.float32)
    q, r = np.linalg.qr(_rng(params, "map").standard_normal((params.dim, params.dim)))
    return (q * np.sign(np.diag(r))).astype(np.float32)


def _deviation(params: SyntheticParams) -> FloatArray:
    """Return (D,) the noise's standard deviation in each dimension."""
    deviation = np.full(params.dim, params.noise)
    if params.map == "anisotropic":
        noisier = _rng(params, "deviation").permutation(params.dim)[: max(1, params.dim // 4)]
        deviation[noisier] *= params.anisotropy
    return deviation


def _split(
    name: str, count: int, documents: FloatArray, hidden: FloatArray, deviation: FloatArray, params: SyntheticParams
) -> Judged:
    rng = _rng(params, name)
    rows = rng.integers(len(documents), size=count)
    vectors = documents[rows] @ hidden.T + deviation * rng.standard_normal((count, params.dim))
    return answered([f"{name}-{row:07d}" for row in range(count)], vectors.astype(np.float32), rows)
