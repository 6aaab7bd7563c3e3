"""A sentence-transformers folder of a few kilobytes: one layer of BERT over the words that it is given."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

DIM = 16


def build(folder: Path, words: Iterable[str], *, kind: str = "bert") -> Path:
    """Write an encoder of 32 positions with random weights, the same ones every time; return its folder."""
    from sentence_transformers import SentenceTransformer, models
    from transformers import AutoConfig, AutoModel, BertTokenizerFast

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(words))]
    bare = folder.with_name(f"{folder.name}-bare")
    bare.mkdir(parents=True)
    (bare / "vocab.txt").write_text("\n".join(vocabulary))
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(vocabulary),
        hidden_size=DIM,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModel.from_config(config).save_pretrained(bare)
    BertTokenizerFast(str(bare / "vocab.txt")).save_pretrained(bare)
    transformer = models.Transformer(str(bare))
    SentenceTransformer(modules=[transformer, models.Pooling(DIM)]).save(str(folder))
    return folder
