"""An `encoder:` that is a folder, from `nvf check` to the end of a sweep."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvf.encoders import frozen
from nvf.errors import EncoderError
from tests import tiny_encoder
from tests.e2e.home import Home

TOPICS = ("cats", "rockets", "bread", "rivers", "violins", "taxes")
ASPECTS = ("history", "care", "cost", "makers", "danger")
SPEC = """\
name: folder
task: {source: beir, path: words, encoder: models/tiny, max_length: 12}
system: linear
search: {sampler: random, trials: 1}
budget: {epochs: 1}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sweep file, its data in words, and the encoder that it names."""
    monkeypatch.chdir(tmp_path)
    pairs = [(topic, aspect) for topic in TOPICS for aspect in ASPECTS]
    (tmp_path / "words" / "qrels").mkdir(parents=True)
    for name, text in (("corpus", "the {1} of {0}"), ("queries", "tell me of {0} and {1}")):
        rows = [{"_id": f"{name[0]}{row}", "text": text.format(*pair)} for row, pair in enumerate(pairs)]
        (tmp_path / "words" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for third, split in enumerate(("train", "dev", "test")):
        rows = [f"q{row}\tc{row}\t1\n" for row in range(len(pairs)) if row % 3 == third]
        (tmp_path / "words" / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{''.join(rows)}")
    tiny_encoder.build(tmp_path / "models" / "tiny", [*TOPICS, *ASPECTS, *"the of tell me and".split()])
    (tmp_path / "folder.yaml").write_text(SPEC)
    return tmp_path


def test_check_and_floors(nvf: Callable[..., Any], mlruns: Path, here: Path) -> None:
    checked = nvf("check", "folder.yaml")
    assert checked.code == 0 and "30 documents; queries: 10 train, 10 dev, 10 test" in checked.out
    measured = nvf("floors", "folder.yaml", "--json")
    assert measured.code == 0, measured.err
    encoder = frozen.load("models/tiny", 12)
    documents, queries = (
        encoder.encode([json.loads(line)["text"] for line in (here / "words" / name).read_text().splitlines()])
        for name in ("corpus.jsonl", "queries.jsonl")
    )
    best = (queries @ documents.T).argmax(1)
    share = np.mean([best[row] == row for row in range(30) if row % 3 == 1])
    assert json.loads(measured.out)["floors"]["raw"]["all"]["R@1"] == pytest.approx(share)


@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        ("./models/none", "encoder './models/none' is no folder that there is"),
        ("models", "holds no model: it has neither modules.json nor config.json"),
        ("models/bare", "bare/config.json is damaged: Expecting"),
        ("models/pickled", "no .safetensors weights in"),
    ],
)
def test_a_folder_that_is_no_model_is_refused_before_anything_is_encoded(
    nvf: Callable[..., Any], mlruns: Path, here: Path, encoder: str, said: str
) -> None:
    for name, text in (("bare", "{"), ("pickled", "{}")):
        (here / "models" / name).mkdir()
        (here / "models" / name / "config.json").write_text(text)
    (here / "models" / "pickled" / "pytorch_model.bin").write_bytes(b"")
    for command in ("check", "floors"):
        ran = nvf(command, "folder.yaml", "--set", f"task.encoder={encoder}")
        assert ran.code == 2 and said in " ".join(ran.err.split()).replace("- ", "-"), ran.err
    assert not (mlruns / "cache" / "vectors").exists()


def test_more_tokens_than_it_has_positions_for_are_refused_at_once(
    nvf: Callable[..., Any], mlruns: Path, here: Path
) -> None:
    ran = nvf("check", "folder.yaml", "--set", "task.max_length=33")
    assert ran.code == 2 and "takes at most 32 tokens, not max_length = 33" in " ".join(ran.err.split())


def test_positions_that_a_model_leaves_unused_are_no_tokens(tmp_path: Path) -> None:
    """MPNet and RoBERTa count positions from behind that of padding."""
    tiny = tiny_encoder.build(tmp_path / "mpnet", ["cats"], kind="mpnet")
    assert frozen.load(str(tiny), 30).encode(["cats " * 100]).shape == (1, 16)
    with pytest.raises(EncoderError, match="takes at most 30 tokens, not max_length = 31"):
        frozen.load(str(tiny), 31)


@pytest.mark.ray
@pytest.mark.slow
def test_a_sweep(mlruns: Path, here: Path) -> None:
    home = Home(here)
    code, out, err = home.run("sweep", "folder.yaml")
    assert code == 0, err
    (ended,) = home.state("folder").trials.values()
    assert ended.outcome == "complete" and "floor  raw" in out
    started = home.state("folder").started
    assert started.task.encoder == home.state("folder").spec.task["encoder"] == str(here / "models" / "tiny")
