"""What every task has in common, whatever source it comes from."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvf import tasks
from nvf.systems import SYSTEMS
from nvf.systems.catalogue import catalogue
from nvf.tasks.assemble import fingerprint
from nvf.tasks.base import Qrels, Task

Options = dict[str, Any]


class SourceCases:
    """What holds for every source, given the fixture `options`: those of a small task, as a sweep file has them."""

    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Keep what is encoded and made apart."""
        monkeypatch.setenv("NVF_MLRUNS", str(tmp_path / "mlruns"))

    @pytest.fixture
    def task(self, options: Options) -> Task:
        """Return the task."""
        return tasks.build(options)

    def test_has_three_splits_of_consistent_shape(self, task: Task) -> None:
        assert set(task.splits) == {"train", "dev", "test"}
        for name, split in task.splits.items():
            assert split.name == name
            assert len(split) > 0
            assert len(split.queries.ids) == len(split.qrels) == len(split.queries.vectors) == len(split)
            assert split.queries.vectors.shape[-1] == task.corpus.dim
            assert split.queries.vectors.dtype == task.corpus.vectors.dtype == np.float32
            assert split.clean.shape == split.own.shape == (len(split),)
            assert split.clean.dtype == bool
            assert (split.qrels.rows >= 0).all() and (split.qrels.rows < len(task.corpus)).all()
            assert len(split.qrels.relevant().rows) == len(split)
        assert task.train.clean.all()

    def test_ids_differ_and_order_sorts_them(self, task: Task) -> None:
        ids = list(task.corpus.ids)
        assert len(set(ids)) == len(ids)
        assert [ids[row] for row in np.argsort(task.corpus.order)] == sorted(ids)
        asked = [query for split in task.splits.values() for query in split.queries.ids]
        assert len(set(asked)) == len(asked)

    def test_unit_tells_the_truth(self, task: Task) -> None:
        lengths = np.linalg.norm(task.corpus.vectors, axis=1)
        assert task.corpus.unit == bool(np.allclose(lengths, 1, atol=1e-4))

    def test_source_makes_the_same_task_again(self, task: Task, options: Options) -> None:
        assert json.loads(json.dumps(task.source, allow_nan=False)) == task.source
        assert task.source.items() >= options.items()
        assert tasks.build(task.source).fingerprint == task.fingerprint

    def test_a_look_sees_as_many_queries_and_documents(self, task: Task, options: Options) -> None:
        seen = tasks.look(options)
        assert seen.name == task.name
        assert seen.documents in (len(task.corpus), None)
        counts = [count for count in seen.queries.values() if count is not None]
        assert len(counts) < len(seen.queries) or sum(counts) == sum(map(len, task.splits.values()))
        assert seen.splits == ["train", "dev", "test"]

    def test_a_look_knows_which_systems_apply(self, task: Task, options: Options) -> None:
        kind = tasks.look(options).kind.key
        for name, entry in catalogue().items():
            assert (kind not in entry.refusals) == (SYSTEMS[name].applies_to(task) is None), name

    def test_snapshot_returns_an_equal_task(self, task: Task, tmp_path: Path) -> None:
        opened = tasks.open_snapshot(tasks.snapshot(task, tmp_path / "snapshots"), verify=True)
        assert_equal(opened, task)
        assert fingerprint(opened) == opened.fingerprint == task.fingerprint

    def test_build_snapshot_finds_it_again(self, task: Task, options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tasks.build_snapshot(options)
        assert_equal(tasks.open_snapshot(folder), task)
        monkeypatch.setattr(type(tasks.SOURCES[options["source"]]), "load", None)
        assert tasks.build_snapshot(options) == folder

    def test_fingerprint_depends_on_ids_judgements_splits_vectors(self, task: Task) -> None:
        corpus, test = task.corpus, task.split("test")
        renamed = dataclasses.replace(corpus, ids=[f"x{name}" for name in corpus.ids])
        moved = dataclasses.replace(corpus, vectors=corpus.vectors + np.float32(1e-3))
        table = np.stack([test.qrels.query_rows, test.qrels.rows, test.qrels.grades + 1], axis=1)
        regraded = dataclasses.replace(test, qrels=Qrels.from_triples(len(test), table))
        fewer = test.select(np.arange(len(test) - 1))
        prints = [
            task.fingerprint,
            *(fingerprint(dataclasses.replace(task, corpus=other)) for other in (renamed, moved)),
            *(
                fingerprint(dataclasses.replace(task, splits={**task.splits, "test": other}))
                for other in (regraded, fewer)
            ),
        ]
        assert len(set(prints)) == len(prints)

    def test_withhold_hides_documents_from_training_only(self, task: Task) -> None:
        part = task.withhold(0.5, seed=3)
        judged = np.unique(task.train.qrels.relevant().rows)
        left = np.unique(part.train.qrels.relevant().rows)
        assert part.cold is not None and part.cold.shape == (len(task.corpus),)
        assert set(left) < set(judged)
        assert len(left) == len(judged) - round(0.5 * len(judged))
        np.testing.assert_array_equal(np.flatnonzero(~part.cold), left)
        assert part.split("test") is task.split("test")
        assert (np.diff(part.train.qrels.starts) > 0).all()
        np.testing.assert_array_equal(part.cold, task.withhold(0.5, seed=3).cold)
        assert task.withhold(0, seed=3) is task

    def test_withhold_keeps_what_it_took(self, task: Task) -> None:
        part = task.withhold(0.5, seed=3).train
        assert task.train.withheld is None and part.withheld is not None
        at = {query: row for row, query in enumerate(task.train.queries.ids)}
        for row, query in enumerate(part.queries.ids):
            taken = [*zip(*part.withheld.of(row), strict=True)]
            assert sorted([*zip(*part.qrels.of(row), strict=True), *taken]) == sorted(
                zip(*task.train.qrels.of(at[query]), strict=True)
            )
        last = part.select(np.array([len(part) - 1])).withheld
        assert last is not None and len(last) == 1
        np.testing.assert_array_equal(last.rows, part.withheld.of(len(part) - 1)[0])


def assert_equal(left: Task, right: Task) -> None:
    """Assert that two tasks hold the same."""
    for name in ("name", "source", "threshold", "encoder", "max_length", "leaks", "notes", "fingerprint"):
        assert getattr(left, name) == getattr(right, name), name
    assert left.corpus.unit == right.corpus.unit
    assert list(left.corpus.ids) == list(right.corpus.ids)
    assert (left.corpus.texts is None) == (right.corpus.texts is None)
    assert list(left.corpus.texts or ()) == list(right.corpus.texts or ())
    np.testing.assert_array_equal(left.corpus.vectors, right.corpus.vectors)
    np.testing.assert_array_equal(left.corpus.order, right.corpus.order)
    assert set(left.splits) == set(right.splits)
    for name, split in right.splits.items():
        other = left.split(name)
        assert list(other.queries.ids) == list(split.queries.ids)
        assert list(other.queries.texts or ()) == list(split.queries.texts or ())
        np.testing.assert_array_equal(other.queries.vectors, split.queries.vectors)
        for field in ("starts", "rows", "grades"):
            np.testing.assert_array_equal(getattr(other.qrels, field), getattr(split.qrels, field))
        np.testing.assert_array_equal(other.clean, split.clean)
        np.testing.assert_array_equal(other.own, split.own)
    assert set(left.truth) == set(right.truth)
    for name, array in right.truth.items():
        np.testing.assert_array_equal(left.truth[name], array)
