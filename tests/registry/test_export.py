"""A promoted model is taken elsewhere, and says the same there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from typer.testing import CliRunner

from nvf.cli import app
from nvf.errors import GateRefused, UsageError
from nvf.registry.export import opened, to_sentence_transformers
from nvf.registry.promote import promote
from tests.registry.conftest import search

RunSweep = Callable[..., Path]


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_the_champion_answers_as_nvf_search_does(run_sweep: RunSweep, lexicon: dict[str, Any], tmp_path: Path) -> None:
    run_sweep(options=lexicon, rates=(0.02,), epochs=2, cold=0)
    promote("small", force="not confirmed")
    out = tmp_path / "there" / "model"
    done = run("export", "models:/small@champion", "--to", "sentence-transformers", "--out", out, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["model"], told["version"], told["system"]) == ("small", 1, "linear") and told["furthest"] < 1e-5

    _, retriever = opened("models:/small/1")
    corpus = retriever.task.corpus
    model = SentenceTransformer(str(out), local_files_only=True)
    for text in ("what do violins cost", "is tax law a danger?"):
        own = search(text, 5)
        scores = model.similarity(model.encode_query([text]), model.encode_document([*(corpus.texts or ())]))[0]
        best = scores.topk(5)
        assert [corpus.ids[row] for row in best.indices.tolist()] == [hit.id for hit in own]
        assert best.values.tolist() == pytest.approx([hit.score for hit in own], abs=1e-5)

    before = sorted(path.name for path in out.iterdir())
    with pytest.raises(UsageError, match="is there already: name one that is not"):
        to_sentence_transformers("small", out)
    assert sorted(path.name for path in out.iterdir()) == before and not [*out.parent.glob(".*")]
    with pytest.raises(UsageError, match="config.json/model cannot be written: File exists"):
        to_sentence_transformers("small", out / "config.json" / "model")
    with pytest.raises(UsageError, match="the registry has no smal; did you mean 'small'"):
        to_sentence_transformers("smal", tmp_path / "other")


def test_vectors_that_are_not_the_encoders_are_told(
    run_sweep: RunSweep, lexicon: dict[str, Any], tmp_path: Path
) -> None:
    """The task says that MiniLM made the vectors that it brings; they are noise."""
    generator = np.random.default_rng(0)
    for name, letter in (("corpus", "c"), ("queries", "q")):
        np.save(tmp_path / f"{name}.npy", generator.normal(size=(30, 384)).astype(np.float32))
        (tmp_path / f"{name}_ids.json").write_text(json.dumps([f"{letter}{row}" for row in range(30)]))
    run_sweep(options={**lexicon, "vectors": str(tmp_path)}, rates=(0.001,), epochs=1, cold=0)
    promote("small", force="not confirmed")
    with pytest.raises(GateRefused, match="are not what encoder 'minilm' makes of its texts"):
        to_sentence_transformers("small", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_model_of_vectors_is_refused(run_sweep: RunSweep, tmp_path: Path) -> None:
    run_sweep(rates=(0.001,), epochs=1)
    promote("small", force="not confirmed")
    with pytest.raises(UsageError, match="whose vectors come from no encoder"):
        to_sentence_transformers("small", tmp_path / "model")
    assert not (tmp_path / "model").exists()
