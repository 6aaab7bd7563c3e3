from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
import pytest
from typer.testing import CliRunner

from nvf.cli import app, main
from nvf.cli.options import task_of
from nvf.errors import TaskError, UsageError
from nvf.registry import named, versions
from nvf.registry.promote import promote
from nvf.registry.retriever import Retriever
from nvf.tracking import server
from tests.cli.test_imports import CODE
from tests.cli.test_json import FOR_PEOPLE, strictly, texts
from tests.registry.conftest import search

RunSweep = Callable[..., Path]


@pytest.fixture
def champion(run_sweep: RunSweep, lexicon: dict[str, Any]) -> Path:
    run_sweep("words", lexicon, rates=(0.001,), epochs=1)
    promote("words", force="not confirmed")
    client = server.client()
    return versions.fetch(client, client.get_model_version_by_alias("words", "champion"))


def test_the_champion_answers_in_words(champion: Path) -> None:
    hits = search("tell me about the cost of violins", k=3)
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert hits[0].id == "c22" and hits[0].text == "A text on the cost of violins."
    assert hits[0].score >= hits[1].score >= hits[2].score
    for model in ("models:/words@champion", "models:/words/1", "words"):
        assert search("tell me about the cost of violins", k=3, model=model) == hits
    assert len(search("bread", k=1000)) == 30


def test_the_champion_answers_over_another_corpus(champion: Path, lexicon: dict[str, Any], tmp_path: Path) -> None:
    """A folder with test alone; its documents are the first ten, under other ids."""
    home = Path(lexicon["path"])
    for name in ("corpus", "queries"):
        rows = (home / f"{name}.jsonl").read_text().splitlines()[:10]
        write(tmp_path / "other" / f"{name}.jsonl", "\n".join(rows).replace('"c', '"d'))
    write(tmp_path / "other" / "qrels" / "test.tsv", "q0\td0\t1\n")
    task = f"task: {{source: beir, path: {tmp_path / 'other'}, encoder: minilm}}"
    write(tmp_path / "other.yaml", f"name: other\n{task}\nsystem: raw\n")
    asked = ("search", "tell me about the cost of rockets", "--top", "30")
    told = CliRunner().invoke(app, [*asked, "--task", str(tmp_path / "other.yaml"), "--json"])
    hits = json.loads(told.stdout)
    before = {hit.id: hit.score for hit in search(asked[1], k=30)}
    assert {hit["id"] for hit in hits} == {f"d{row}" for row in range(10)} and hits[0]["id"] == "d7"
    assert [hit["score"] for hit in hits] == pytest.approx([before[f"c{hit['id'][1:]}"] for hit in hits], abs=1e-6)
    with pytest.raises(UsageError, match="--set overrides a key of the file that --task names"):
        task_of(None, ["task.path=x"])


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_mlflow_serves_texts_as_lists_and_as_columns(champion: Path) -> None:
    served = mlflow.pyfunc.load_model(str(champion))
    texts = ["tell me about the cost of violins", "what is the history of cats"]
    answers = served.predict(texts, params={"k": 2})
    assert answers["ids"].map(lambda ids: ids[0]).tolist() == ["c22", "c0"]
    assert answers.equals(served.predict(pd.DataFrame({"anything": texts}), params={"k": 2}))
    assert answers["texts"][1][0] == "A text on the history of cats."


def test_the_model_holds_no_pickle_and_pins_its_packages(champion: Path) -> None:
    files = {path.name for path in champion.rglob("*") if path.is_file()}
    assert not {name for name in files if name.endswith((".pkl", ".pickle", ".bin", ".pt"))}
    assert {"served.py", "MLmodel", "model.safetensors", "task.json"} <= files
    pinned = (champion / "requirements.txt").read_text().split()
    assert "nvf==0.1.0" in pinned and "torch==2.13.0" in pinned


def test_a_server_holds_the_model_too(
    run_sweep: RunSweep, lexicon: dict[str, Any], mlflow_server: str, monkeypatch: pytest.MonkeyPatch, mlruns: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    run_sweep("words", lexicon, rates=(0.001,), epochs=1)
    assert promote("words", force="not confirmed").link.startswith(mlflow_server)
    (cached,) = (mlruns / "cache" / "models").iterdir()
    assert (cached / "MLmodel").is_file()
    before = search("the danger of rockets", 2)
    assert before[0].id == "c9"
    shutil.rmtree(cached)
    download = mlflow.artifacts.download_artifacts

    def overtaken(*, dst_path: str, **options: Any) -> str:
        there = download(dst_path=dst_path, **options)
        shutil.copytree(next(Path(dst_path).rglob("MLmodel")).parent, cached)
        return there

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", overtaken)
    assert search("the danger of rockets", 2) == before, "another process fetched it meanwhile"
    assert [path.name for path in cached.parent.iterdir()] == [cached.name]


def test_a_damaged_corpus_is_named(champion: Path) -> None:
    vectors = champion / "artifacts" / "corpus" / "corpus" / "vectors.npy"
    content = bytearray(vectors.read_bytes())
    content[-1] ^= 1
    vectors.write_bytes(content)
    with pytest.raises(TaskError, match="vectors.npy is damaged"):
        search("bread")


def test_the_last_promoted_champion_answers(run_sweep: RunSweep, lexicon: dict[str, Any], champion: Path) -> None:
    run_sweep("numbers", rates=(0.001,), epochs=0)
    promote("numbers", force="not confirmed")
    with pytest.raises(UsageError, match="synthetic.*cannot be asked in words"):
        search("bread")
    promote("words", force="not confirmed")
    assert search("the making of bread", 1)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (None, "no model has the alias 'champion' yet; `nvf promote SWEEP`"),
        ("models:/nothing@champion", "the registry has no models:/nothing@champion.*`nvf promote SWEEP`"),
        ("models:/a/b/c", "'models:/a/b/c' is no model; write models:/NAME@champion"),
    ],
)
def test_a_model_that_is_not_there_is_named_with_the_way_out(model: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        search("bread", model=model)


def test_an_empty_question_is_refused(champion: Path) -> None:
    with pytest.raises(UsageError, match="the question is empty"):
        search("  ")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("word", "has no word; did you mean 'words'\\?$"),
        ("models:/words@champin", "has no models:/words@champin; did you mean 'champion'\\?$"),
        ("words/7", "has no words/7; its newest version is 1; `nvf promote"),
    ],
)
def test_the_nearest_model_alias_and_version_are_named(champion: Path, model: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        search("bread", model=model)


def test_a_version_is_found_without_mlflow_where_mlflow_finds_it(
    run_sweep: RunSweep, champion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sweep("numbers", rates=(0.001,), epochs=0)
    promote("numbers", force="to be found")
    promote("numbers", alias="candidate")
    client = server.client()
    for model in (None, "words", "models:/words@champion", "models:/words/1", "numbers", "models:/numbers@candidate"):
        assert named.folder(model) == versions.fetch(client, versions.resolve(client, model)), model
    assert named.known() == ["numbers", "words"]
    client.delete_model_version("words", "1")
    assert named.folder("words") is named.folder("words/1") is named.folder("nothing") is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert named.folder("numbers") is None and named.known() == []


def test_a_question_is_answered_as_with_the_whole_encoder(champion: Path) -> None:
    retriever = Retriever.open(champion / "artifacts")
    question = "tell me about the cost of violins"
    (whole,) = retriever.hits(retriever.encode([question]), 30)
    light = search(question, 30)
    assert [hit.id for hit in light] == [hit.id for hit in whole]
    assert [hit.score for hit in light] == pytest.approx([hit.score for hit in whole], abs=1e-5)


def test_the_prompt_stays_open_and_loads_neither_mlflow_nor_sentence_transformers(
    champion: Path,
) -> None:
    ours, theirs = pty.openpty()
    code = CODE.format(heavy=sorted({"torch", "mlflow", "sentence_transformers", "transformers", "pandas", "optuna"}))
    command = [sys.executable, "-c", code, "search", "--top", "1"]
    asked = b"the cost of violins\nthe history of cats\n\n"
    os.write(ours, asked)
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=120)
    os.close(ours), os.close(theirs)
    assert [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("  1 ")] == ["c22", "c0"]
    assert done.stderr.splitlines() == ["Ask; an empty line ends.", "0 torch"]


def test_json_of_the_registry_holds_numbers(
    champion: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["nvf", *arguments, "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        read = strictly(capsys.readouterr().out)
        assert not [text for _, text in texts(read) if FOR_PEOPLE.fullmatch(text)]
        return read

    card = told("card")
    assert (card["model"], card["version"], card["trial"], card["aliases"]) == ("words", 1, 0, ["champion"])
    assert 0 < card["figures"]["dev/nDCG_at_10"] <= 1 and card["card"].startswith("---")
    (move,) = told("history", "words")
    assert (move["number"], move["before"], move["after"]) == (1, None, 1)
    assert [hit["rank"] for hit in told("search", "the cost of violins", "--top", "2")] == [1, 2]
