"""Model cards: what stands in them comes from the journal, and every version keeps its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from typer.testing import CliRunner

from nvf.cli import app
from nvf.errors import UsageError
from nvf.journal.events import read
from nvf.registry.card import FILE
from nvf.registry.export import to_sentence_transformers
from nvf.registry.promote import promote
from nvf.registry.rollback import rollback
from nvf.registry.run_file import to_trec
from nvf.registry.shown import show
from nvf.tracking import server
from tests.registry.conftest import SYNTHETIC, confirmed

RunSweep = Callable[..., Path]
SECTIONS = [
    "Model Details",
    "Uses",
    "Bias, Risks, and Limitations",
    "How to Get Started with the Model",
    "Training Details",
    "Evaluation",
    "Model Examination",
    "Technical Specifications",
]


def written(version: int = 1) -> str:
    """Return the card that lies among the version's files."""
    client = server.client()
    found = client.get_model_version("small", str(version))
    relative = found.source.partition("/artifacts/")[2].partition("/artifacts/")[2]
    return Path(client.download_artifacts(found.run_id, f"{relative}/{FILE}")).read_text()


def section(text: str, name: str) -> str:
    return text.partition(f"# {name}\n")[2].partition("\n## ")[0]


def test_the_card_of_a_confirmed_champion(run_sweep: RunSweep) -> None:
    folder = run_sweep()
    confirmed(run_sweep("other"), {0: 0.1})
    confirmed(run_sweep("elsewhere", {**SYNTHETIC, "seed": 1}), {0: 0.1})
    confirmed(folder, {0: 0.2, 1: 0.1})
    confirmed(folder, {1: 0.1}, cold=-0.1)
    done = promote("small", force="a demo")

    text = written()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert text.partition("## Model Details")[0].count("**Promoted by --force:** a demo") == 1
    assert "Trial 0001 of sweep `small`, confirmed on test over 3 seeds" in text
    assert (
        "| **linear**, this checkpoint | 0.4922 | 0.4844 | - |\n"
        "| mean of 3 trainings | 0.5000 | 0.5000 | 0.5000 |\n| raw | 0.3750 | 0.3750 | 0.3750 |"
    ) in text
    assert "| raw | clean | 50 | 3 | +0.1000 [+0.0900, +0.1100] | 0.01 | better |" in text
    assert "| raw | cold | 50 | 3 | -0.1000 [-0.1100, -0.0900] | 0.01 | worse |" in text
    assert "0.7500 on dev in the search, 0.6250 on dev when trained again, 0.5000 on test" in text
    assert "-0.1000 [-0.1100, -0.0900] against the raw vectors: **it buries them**" in section(text, SECTIONS[2])
    assert "`nvf reproduce small/1`" in text and "**Trained:** seed 7, epoch 3" in text
    assert all(verdict.said in section(text, "Gates") for verdict in done.gates) and "| cold | worse |" in text

    opened = section(text, "Testing Data, Factors & Metrics")
    assert "Test was opened 3 times:" in opened and "elsewhere" not in opened
    assert "| other | confirmation 1, of trials 0000 |" in opened
    assert "| small | confirmation 1, of trials 0000, 0001 |" in opened
    assert "| small | confirmation 2, of trials 0001 |" in opened

    results = ModelCard(text).data.eval_results
    assert {(each.dataset_config, each.metric_type, each.metric_value) for each in results} == {
        *((view, "R@5", 0.5) for view in ("all", "clean", "cold")),
        *(("all", "nDCG@10", 0.492188), ("clean", "nDCG@10", 0.484375), ("cold", "nDCG@10", 0.5)),
    }
    tags = server.client().get_model_version("small", "1").tags
    assert (tags["test/nDCG_at_10"], tags["test_mean/nDCG_at_10"]) == ("0.492188", "0.500000")
    assert tags["test_cold/nDCG_at_10"] == tags["test_mean_cold/nDCG_at_10"] == "0.500000"
    assert done.test is not None and done.test["all"]["nDCG@10"] == 0.4921875
    assert done.test_mean is not None and done.test_mean["all"]["nDCG@10"] == 0.5
    fingerprint = read(folder)[0].task.fingerprint
    assert "200 documents, queries: 500 train, 50 dev, 50 test" in text and fingerprint in section(text, SECTIONS[4])


def test_the_champion_that_reigned_stands_beside_the_floors(run_sweep: RunSweep) -> None:
    folder = run_sweep()
    confirmed(folder, {1: 0.2})
    promote("small")
    confirmed(folder, {1: 0.25}, champion=1)
    promote("small")
    text = written(2)
    assert "| mean of 3 trainings | 0.5000 | 0.5000 | 0.5000 |\n| `models:/small/1` | 0.4375 | 0.4375 | - |" in text
    assert "| `models:/small/1` | clean | 50 | 3 | +0.2500 [+0.2400, +0.2600] | 0.01 | better |" in text
    assert "against version 1, " in section(text, "Gates")


def test_the_card_of_one_training_has_one_row_of_figures_and_says_what_is_not_covered(run_sweep: RunSweep) -> None:
    confirmed(run_sweep(), {0: 0.2, 1: 0.1}, seeds=1)
    said = "confirmed over one seed: intervals and p cover the queries alone, not other trainings"
    done = promote("small")
    assert said in done.cautions and done.test_mean is None
    text = written()
    assert "| **linear** | 0.4922 | 0.4844 | 0.5000 |\n| raw |" in text and "mean of" not in text
    assert f"- {said}" in section(text, SECTIONS[2])
    assert "| trial 0000 (linear) | all | 50 | 3 | -0.0200 [-0.0500, +0.0100] | 0.3 | undecided |" in text


def test_the_card_of_a_trial_that_was_never_confirmed_says_so(run_sweep: RunSweep) -> None:
    run_sweep(cold=0)
    done = promote("small", alias="candidate")
    text = written()
    assert "never judged on test" in text and ModelCard(text).data.eval_results is None
    assert all(f"- {caution}" in section(text, SECTIONS[2]) for caution in done.cautions)
    assert f"{done.figures['all']['nDCG@10']:.4f}" in text.partition("## ")[0]
    assert "nothing was withheld, so what becomes of documents that nobody has judged is unknown" in text
    assert "the best of 2 trials on the very split that chose them" in text
    assert "Test of this task was never opened" in text and "None was asked" in text
    assert "SentenceTransformer" not in text and "nvf search" not in text, "its vectors come from no encoder"

    description = server.client().get_model_version("small", "1").description
    assert description.startswith("`linear` over the vectors of an encoder unknown to nvf, ranking the 200 documents")
    assert "Caution: not confirmed on test" in description and "`nvf card models:/small/1`" in description


def test_a_card_stays_as_it_was_and_is_shown_with_what_happened_since(run_sweep: RunSweep, tmp_path: Path) -> None:
    folder = run_sweep()
    confirmed(folder, {1: 0.2})
    promote("small", force="first")
    before = written(1)
    confirmed(folder, {1: 0.2})
    promote("small", force="second")
    rollback("small", reason="slow on Mondays")
    to_trec("models:/small/1", "test", tmp_path / "test.trec")
    assert written(1) == before and "small, version 2" in written(2) and "**Replaces:** version 1" in written(2)

    told = CliRunner().invoke(app, ["card", "models:/small/1"])
    assert told.exit_code == 0 and told.stdout.startswith(before.rstrip())
    since = section(told.stdout, "Since This Card Was Written")
    what = re.findall(r"^\| \d{4}-\d\d-\d\d \d\d:\d\d \| (.*) \|$", since, re.MULTILINE)
    assert [re.sub(r"by \S+@\S+:", "by X:", line) for line in what] == [
        "promote by X: champion - -> 1; forced: first",
        "test was opened by small: confirmation 2, of trials 0001",
        "promote by X: champion 1 -> 2; forced: second",
        "rollback by X: champion 2 -> 1",
        "test was read by small: run file of version 1 of small",
    ]


def test_the_exported_folder_has_the_card(run_sweep: RunSweep, lexicon: dict[str, Any], tmp_path: Path) -> None:
    run_sweep(options=lexicon, rates=(0.02,), epochs=1, cold=0)
    promote("small", force="not confirmed")
    to_sentence_transformers("small", tmp_path / "model")
    card = ModelCard.load(tmp_path / "model" / "README.md")
    assert card.data.library_name == "sentence-transformers" and "# small, version 1" in card.text
    assert "minilm, frozen, 256 tokens at most; fingerprint `" in card.text
    assert 'SentenceTransformer("DIR")' in card.text and "--model models:/small/1" in card.text


def test_what_has_no_card_is_named(run_sweep: RunSweep) -> None:
    run_sweep(rates=(0.001,), epochs=0)
    promote("small", force="not confirmed")
    client = server.client()
    (source,) = [found.source for found in client.search_model_versions("name='small'")]
    Path(source.removeprefix("file://"), FILE).unlink()
    with pytest.raises(UsageError, match="version 1 of small has no card"):
        show("small")
