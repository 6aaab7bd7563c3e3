"""Run files, read by ir_measures; test is not read before it was opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pytest
from typer.testing import CliRunner

from nvf import tasks
from nvf.cli import app
from nvf.errors import GateRefused, JournalError, SweepError, TaskError, UsageError
from nvf.journal.events import Journal, read
from nvf.journal.replay import replay
from nvf.measures.evaluate import evaluate
from nvf.registry import versions
from nvf.registry.export import opened
from nvf.registry.openings import openings
from nvf.registry.promote import promote
from nvf.registry.run_file import to_trec
from nvf.registry.searched import snapshot_of
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Task
from nvf.tracking import server
from nvf.training import checkpoint
from nvf.types import FloatArray
from tests.registry.conftest import SYNTHETIC, confirmed, train

RunSweep = Callable[..., Path]
MEASURES = ["nDCG@10", "R@5", "R@100"]


def task_of(folder: Path) -> Task:
    events = read(folder)
    return snapshot_of(replay(events))[1]


def by_ir_measures(path: Path, task: Task, split: str) -> dict[str, float]:
    """Return the figures of a run file as another program makes them."""
    part = task.split(split)
    table = zip(part.qrels.query_rows, part.qrels.rows, part.qrels.grades, strict=True)
    qrels = [ir_measures.Qrel(part.queries.ids[q], task.corpus.ids[row], int(grade)) for q, row, grade in table]
    measures = [ir_measures.parse_measure(name) for name in MEASURES]
    found = ir_measures.calc_aggregate(measures, qrels, ir_measures.read_trec_run(str(path)))
    return {str(name): value for name, value in found.items()}


def test_the_figures_of_a_run_file_are_those_of_the_journal(run_sweep: RunSweep, tmp_path: Path) -> None:
    folder = run_sweep()
    done = promote("small", force="not confirmed")
    out = tmp_path / "runs" / "small.trec"
    told = CliRunner().invoke(app, ["export", "small", "--to", "trec", "--out", str(out), "--json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout) | {"path": ""} == {
        "model": "small",
        "version": 1,
        "task": task_of(folder).name,
        "split": "dev",
        "path": "",
        "queries": 50,
        "lines": 50 * 200,
        "journal": None,
    }
    first = out.read_text().splitlines()[0].split(" ")
    assert len(first) == 6 and (first[1], first[3], first[5]) == ("Q0", "1", "small/1")
    assert by_ir_measures(out, task_of(folder), "dev") | {"R@100": 0.0} == pytest.approx(
        {**done.figures["all"], "R@100": 0.0}, abs=1e-6
    )
    with pytest.raises(UsageError, match="small.trec is there already"):
        to_trec("small", "dev", out)
    assert to_trec("small", "train", tmp_path / "train.trec", depth=3).lines == 3 * len(task_of(folder).train)
    with pytest.raises(TaskError, match="has no split 'tst'; it has train, dev, test"):
        to_trec("small", "tst", tmp_path / "other.trec")


def test_the_run_of_test_needs_a_confirmation_and_is_journaled(run_sweep: RunSweep, tmp_path: Path) -> None:
    folder, out = run_sweep(), tmp_path / "test.trec"
    promote("small", trial=0, model="early", alias="candidate")
    with pytest.raises(GateRefused, match="test stays sealed.*nvf confirm small --trial 0"):
        to_trec("models:/early/1", "test", out)
    assert not out.exists() and "test_run" not in [event.kind for event in read(folder)]

    confirmed(folder, {1: 0.2})
    promote("small")
    with pytest.raises(GateRefused, match="no confirmation has judged version 1 of early"):
        to_trec("models:/early/1", "test", out)
    assert to_trec("small", "test", out).queries == 50
    last = read(folder)[-1]
    assert (last.kind, last.trial, last.model, last.version) == ("test_run", 1, "small", 1)

    task, (_, retriever) = task_of(folder), opened("small")
    split = task.split("test")
    own = evaluate(rank_split(retriever.system, split, 100), split, None, MEASURES).figures["all"]
    assert by_ir_measures(out, task, "test") == pytest.approx(own, abs=1e-6)


def test_the_sweep_must_be_here_and_at_rest(run_sweep: RunSweep, tmp_path: Path) -> None:
    folder = run_sweep()
    confirmed(folder, {1: 0.2})
    promote("small")
    journal, _ = Journal.open(folder)
    with journal, pytest.raises(JournalError, match="running already"):
        to_trec("small", "test", tmp_path / "test.trec")
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(SweepError, match="no sweep 'small'"):
        to_trec("small", "dev", tmp_path / "dev.trec")
    run_sweep(options={"source": "synthetic", "documents": 90, "dim": 8, "train": 50, "dev": 9, "test": 9}, epochs=0)
    with pytest.raises(TaskError, match="searched another task"):
        to_trec("small", "dev", tmp_path / "dev.trec")
    assert not [*tmp_path.glob("*.trec")]


def test_an_id_with_white_space_is_refused(run_sweep: RunSweep, lexicon: dict[str, Any], tmp_path: Path) -> None:
    source = Path(lexicon["path"])
    for path in (source / "corpus.jsonl", *source.glob("qrels/*.tsv")):
        path.write_text(path.read_text().replace('"c7"', '"c 7"').replace("\tc7\t", "\tc 7\t"))
    run_sweep(options=lexicon, rates=(0.001,), epochs=0, cold=0)
    promote("small", force="not confirmed")
    with pytest.raises(UsageError, match="id 'c 7' has white space in it"):
        to_trec("small", "dev", tmp_path / "dev.trec")


def only_test(folder: Path, dim: int = 16, queries: FloatArray | None = None) -> dict[str, Any]:
    """Return a data set in BEIR's layout that has test alone, over other vectors (or these queries)."""
    task = tasks.build({**SYNTHETIC, "documents": 80, "dim": dim, "seed": 1, "test": 20})
    asked = task.split("test").queries.vectors if queries is None else queries
    (folder / "qrels").mkdir(parents=True)
    (folder / "vectors").mkdir()
    for name, vectors in (("corpus", task.corpus.vectors), ("queries", asked)):
        ids = [f"{name[0]}{row}" for row in range(len(vectors))]
        np.save(folder / "vectors" / f"{name}.npy", vectors)
        (folder / "vectors" / f"{name}_ids.json").write_text(json.dumps(ids))
        (folder / f"{name}.jsonl").write_text("".join(f'{{"_id": "{each}", "text": "{each}"}}\n' for each in ids))
    (folder / "qrels" / "test.tsv").write_text("".join(f"q{row}\tc{row}\t1\n" for row in range(len(asked))))
    return {"source": "beir", "path": str(folder), "vectors": str(folder / "vectors")}


def test_a_head_answers_a_task_that_has_test_alone(run_sweep: RunSweep, tmp_path: Path) -> None:
    folder, options = run_sweep(), only_test(tmp_path / "other")
    promote("small", force="not confirmed")
    spec, out = tmp_path / "other.yaml", tmp_path / "other.trec"
    spec.write_text(json.dumps({"name": "other", "task": {**options, "path": "nowhere"}, "system": "raw"}))
    asked = ["export", "small", "--to", "trec", "--task", str(spec), "--set", f"task.path={options['path']}"]
    told = CliRunner().invoke(app, [*asked, "--out", str(out), "--json"])
    assert told.exit_code == 0, told.output
    done = json.loads(told.stdout)
    assert (done["split"], done["queries"], done["lines"], done["journal"]) == ("test", 20, 20 * 80, "small")

    other, state = tasks.build(options), replay(read(folder))
    best = state.trials[1].checkpoints[int(versions.resolve(server.client(), "small").tags["nvf.best_epoch"])]
    restored = checkpoint.restore_system(folder / best.folder, other.corpus)
    split = other.split("test")
    own = evaluate(rank_split(restored, split, 80), split, None, MEASURES).figures["all"]
    assert by_ir_measures(out, other, "test") == pytest.approx(own, abs=1e-6)

    (opening,) = openings(other.fingerprint)
    assert (opening.what, opening.judged) == ("run file of version 1 of small, which was trained on another task", True)
    assert openings(state.started.task.fingerprint) == []

    folder.rename(tmp_path / "elsewhere")
    told = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "again.trec")])
    assert "no journal says that this test was opened" in told.output
    assert (tmp_path / "again.trec").read_text() == out.read_text()


def test_another_task_is_no_way_around_the_seal(run_sweep: RunSweep, tmp_path: Path) -> None:
    folder, out = run_sweep(), tmp_path / "test.trec"
    promote("small", force="not confirmed")
    task = task_of(folder)
    with pytest.raises(GateRefused, match="no confirmation has judged version 1 of small on it; .*--split dev"):
        to_trec("small", "test", out, other=SYNTHETIC)
    mixed = np.concatenate([task.train.queries.vectors[:5], task.split("test").queries.vectors[:3]])
    copy = only_test(tmp_path / "copy", queries=mixed)
    with pytest.raises(GateRefused, match="3 of the 8 test queries of .* stand in it; nvf confirm small --trial 1"):
        to_trec("small", None, out, other=copy)
    assert not out.exists() and "test_run" not in [event.kind for event in read(folder)]
    confirmed(folder, {1: 0.2})
    promote("small")
    assert to_trec("small", None, out, other=copy).queries == 8


def test_what_cannot_rank_the_other_task_is_refused(run_sweep: RunSweep, tmp_path: Path) -> None:
    folder, out = run_sweep(rates=()), tmp_path / "dev.trec"
    journal, _ = Journal.open(folder)
    with journal:
        train(journal, task_of(folder), 0, {}, 0, "nudge")
    promote("small", force="not confirmed")
    other = only_test(tmp_path / "other")
    with pytest.raises(UsageError, match="what 'nudge' learned is about the documents of .*these can: .*linear"):
        to_trec("small", None, out, other=other)
    run_sweep("head", rates=(0.001,), epochs=0)
    promote("head", force="not confirmed")
    with pytest.raises(TaskError, match="width 16 there, .* of width 8 here; give both the same encoder"):
        to_trec("head", None, out, other=only_test(tmp_path / "narrow", dim=8))
    with pytest.raises(TaskError, match="has no dev queries"):
        to_trec("head", "dev", out, other=other)
    assert not out.exists()
