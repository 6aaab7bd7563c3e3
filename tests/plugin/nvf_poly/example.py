"""An archive to search: queries are documents, turned and blurred. `python -m nvf_poly.example` writes turned.npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write(path: Path, documents: int = 200, dim: int = 16) -> None:
    """Write an archive of so many documents, with six queries for each."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((documents, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    turn = np.linalg.qr(random.standard_normal((dim, dim)))[0]
    answers = random.integers(documents, size=6 * documents)
    queries = vectors[answers] @ turn + 0.1 * random.standard_normal((len(answers), dim))
    np.savez(path, documents=vectors, queries=queries, answers=answers)


if __name__ == "__main__":
    write(Path("turned.npz"))
