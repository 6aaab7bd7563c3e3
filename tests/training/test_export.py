"""Exported heads, loaded by the real library: the same texts must find the same documents with the same scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import AutoTokenizer, BertConfig, BertModel

from nvf import systems, tasks
from nvf.encoders import frozen
from nvf.errors import UsageError
from nvf.systems.base import System
from nvf.tasks.base import Task
from nvf.training import export
from nvf.training.loop import Training
from nvf.types import Ranking

TOPICS = ("cats", "rockets", "bread", "rivers", "violins", "tax law")
ASPECTS = ("history", "care", "cost", "makers", "danger")
K = 8
HEADS = [
    ("linear", {"heads": "query"}),
    ("linear", {"heads": "shared"}),
    ("linear", {"heads": "separate"}),
    ("projection", {}),
    ("projection", {"formulation": "n01", "out": 24}),
    ("jepa", {"out": 24}),
    ("asymmetric", {}),
    ("asymmetric", {"formulation": "n01"}),
    ("respred", {"out": 24, "alpha": 2.0}),
    ("respred", {"formulation": "n01", "alpha": 0.5}),
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of an encoder with MiniLM's tokenizer and one narrow layer as drawn: quick to write and load."""
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = AutoTokenizer.from_pretrained(frozen.folder("minilm"))
    torch.manual_seed(0)
    network = BertModel(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=48,
            num_hidden_layers=1,
            num_attention_heads=4,
            intermediate_size=64,
            initializer_range=1.0,  # at the usual 0.02 all texts have nearly the same vector
        )
    )
    network.save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    SentenceTransformer(modules=[Transformer(str(folder / "bert")), Pooling(48)], device="cpu").save(
        str(folder / "whole"), create_model_card=False
    )
    return str(folder / "whole")


@pytest.fixture(scope="module")
def words(encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Task:
    """30 short documents and a question about each; texts are cut after 6 tokens, so that the length counts."""
    folder = tmp_path_factory.mktemp("words")
    (folder / "qrels").mkdir()
    pairs = [(topic, aspect) for topic in TOPICS for aspect in ASPECTS]
    for name, text in (("corpus", "{1} of {0}, and more"), ("queries", "the {1} of {0}, tell me")):
        rows = [{"_id": f"{name[0]}{row}", "text": text.format(*pair)} for row, pair in enumerate(pairs)]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for third, split in enumerate(("train", "dev", "test")):
        rows = "".join(f"q{row}\tc{row}\t1\n" for row in range(len(pairs)) if row % 3 == third)
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NVF_MLRUNS", str(folder / "mlruns"))
        return tasks.build({"source": "beir", "path": str(folder), "encoder": encoder, "max_length": 6})


def trained(name: str, params: dict[str, Any], task: Task) -> System:
    system = systems.create(name, {**params, "lr": 0.01}, task.corpus)
    training = Training(system, task, seed=0, epochs=2, measures=["nDCG@10"])
    training.start()
    for epoch in (1, 2):
        training.epoch(epoch)
    return system


def asked(model: SentenceTransformer, task: Task, texts: list[str]) -> Ranking:
    """Return what the library answers, over the whole corpus."""
    assert task.corpus.texts is not None
    scores = model.similarity(model.encode_query(texts), model.encode_document([*task.corpus.texts]))
    best, rows = scores.sort(dim=1, descending=True)
    return Ranking(best[:, :K], rows[:, :K])


@pytest.mark.parametrize(("name", "params"), HEADS, ids=lambda value: value if isinstance(value, str) else "-")
def test_a_head_ranks_the_same_in_the_library(name: str, params: dict[str, Any], words: Task, tmp_path: Path) -> None:
    system = trained(name, params, words)
    queries = words.split("dev").queries
    assert queries.texts is not None
    untrained = systems.create("raw", {}, words.corpus).rank(queries, K)
    own = system.rank(queries, K)
    assert (own.scores - untrained.scores).abs().max() > 1e-3, "what is exported has learned something"

    export.write(system, str(words.encoder), 6, tmp_path / "model")
    model = SentenceTransformer(str(tmp_path / "model"), local_files_only=True)
    found = asked(model, words, [*queries.texts])
    assert found.rows.tolist() == own.rows.tolist()
    if params.get("formulation") == "n01":
        assert model.similarity_fn_name == "euclidean"
        vectors = torch.from_numpy(model.encode_query([*queries.texts]))
        scores = (vectors.square().sum(1, keepdim=True) - found.scores.square()) / (2 * vectors.shape[1])
    else:
        assert model.similarity_fn_name == "cosine"
        scores = found.scores
    assert (scores - own.scores).abs().max() < 1e-5
    assert export.furthest(tmp_path / "model", own, queries, words.corpus) < 1e-5


def test_the_folder_needs_the_library_alone(words: Task, tmp_path: Path) -> None:
    export.write(trained("asymmetric", {}, words), str(words.encoder), 6, tmp_path / "model")
    modules = json.loads((tmp_path / "model" / "modules.json").read_text())
    assert [each["type"].rpartition(".")[2] for each in modules] == ["Transformer", "Pooling", "Normalize", "Router"]
    assert all(each["type"].startswith("sentence_transformers.") for each in modules)
    assert not [*(tmp_path / "model").rglob("*.bin"), *(tmp_path / "model").rglob("*.py")]
    model = SentenceTransformer(str(tmp_path / "model"), local_files_only=True)
    assert model.max_seq_length == 6
    assert not np.allclose(model.encode_query("the cost of bread"), model.encode_document("the cost of bread"))


def test_the_raw_encoder_is_exported_as_it_is(words: Task, tmp_path: Path) -> None:
    export.write(systems.create("raw", {}, words.corpus), str(words.encoder), 6, tmp_path / "model")
    model = SentenceTransformer(str(tmp_path / "model"), local_files_only=True)
    text = "the danger of cats, and what to do about it"
    assert np.abs(model.encode_query([text]) - frozen.load(str(words.encoder), 6).encode([text])).max() < 1e-6


def test_a_prompt_of_the_encoder_is_said_exactly_where_nvf_said_it(words: Task, tmp_path: Path) -> None:
    """nvf asks an encoder without a task: what it would say before a query only must not come in by `encode_query`."""
    own = SentenceTransformer(str(words.encoder), local_files_only=True)
    own.prompts = {"query": "query: ", "document": "", "always": "hear: "}
    for default in (None, "always"):
        own.default_prompt_name = default
        encoder = tmp_path / f"encoder-{default}"
        own.save(str(encoder), create_model_card=False)
        vectors = frozen.load(str(encoder), 6).encode(["the cost of bread"])
        folder = tmp_path / f"model-{default}"
        export.write(systems.create("raw", {}, words.corpus), str(encoder), 6, folder)
        model = SentenceTransformer(str(folder), local_files_only=True)
        for encode in (model.encode_query, model.encode_document, model.encode):
            assert np.abs(encode(["the cost of bread"]) - vectors).max() < 1e-6


def test_another_model_is_told_by_its_scores(words: Task, tmp_path: Path) -> None:
    export.write(trained("linear", {}, words), str(words.encoder), 6, tmp_path / "model")
    queries = words.split("dev").queries
    other = systems.create("raw", {}, words.corpus).rank(queries, K)
    assert export.furthest(tmp_path / "model", other, queries, words.corpus) > 1e-3


@pytest.mark.parametrize("name", ["memory", "two_stage", "nudge", "bm25", "hybrid", "fused"])
def test_what_is_no_head_is_refused_with_what_to_use(name: str, words: Task, tmp_path: Path) -> None:
    system = systems.create(name, {}, words.corpus)
    with pytest.raises(UsageError, match=f"a {name} cannot be.*only asymmetric, jepa, linear.*`nvf search`.*to trec"):
        export.write(system, str(words.encoder), 6, tmp_path / "model")
    assert not (tmp_path / "model").exists()
