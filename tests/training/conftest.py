from __future__ import annotations

import dataclasses

import pytest

from nvf import tasks
from nvf.tasks.base import Task


@pytest.fixture(scope="session")
def small() -> Task:
    """A task that every trained system learns something on within four epochs."""
    options = {"source": "synthetic", "documents": 80, "dim": 16, "map": "anisotropic", "noise": 0.15}
    return tasks.build({**options, "train": 500, "dev": 60, "test": 60}).withhold(0.2, 0)


@pytest.fixture(scope="session")
def worded(small: Task) -> Task:
    """The small task with a text for each vector."""
    corpus = dataclasses.replace(small.corpus, texts=[f"word{row % 20} word{row % 7}" for row in range(80)])
    splits = {
        name: dataclasses.replace(
            split,
            queries=dataclasses.replace(split.queries, texts=[f"word{row % 20}" for row in range(len(split))]),
        )
        for name, split in small.splits.items()
    }
    return dataclasses.replace(small, corpus=corpus, splits=splits)


@pytest.fixture(scope="session")
def windows() -> Task:
    """The like for systems that work on windows only."""
    options = {"source": "walks", "documents": 80, "dim": 16, "context": 3}
    return tasks.build({**options, "train": 500, "dev": 60, "test": 60}).withhold(0.2, 0)
